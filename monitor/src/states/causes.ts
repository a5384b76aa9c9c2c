import type { JobLine } from '../../../src/contract/jobs.ts'

export type AttemptCause = NonNullable<JobLine['cause']>

/** Why attempts end other than well, those of users first. */
export const attemptCauses: readonly AttemptCause[] = [
  'user',
  'memory',
  'walltime',
  'runner',
  'bundle',
  'environment',
  'site',
  'storage',
  'lost',
]
