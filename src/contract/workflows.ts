import { z } from 'zod'
import { workflowStates } from '../domain/workflow/states.ts'
import { at, labels, name, pageQuery, prose, value, workflowId } from './base.ts'
import { remoteError } from './jobs.ts'
import { jobCounts } from './tasks.ts'

/**
 * `function`: a driver runs it and says when it ends. `session`: calls that a program makes outside any workflow function; it ends with its driver.
 * `tasks`: no driver; it ends when it is closed and its last task has ended.
 */
export const workflowKinds = ['function', 'session', 'tasks'] as const

export const newWorkflow = z.strictObject({
  name,
  kind: z.enum(workflowKinds),
  labels: labels.default({}),
})
export type NewWorkflow = z.infer<typeof newWorkflow>

export const workflow = z.object({
  id: workflowId,
  name,
  kind: z.enum(workflowKinds),
  owner: z.string(),
  group: z.string(),
  state: z.enum(workflowStates),
  tasks: z.object({ total: z.int(), ended: z.int(), failed: z.int() }),
  jobs: jobCounts,
  createdAt: at,
  endedAt: at.nullable(),
  driverSeenAt: at.nullable(),
  value: value.nullable(),
  error: remoteError.nullable(),
  why: z.string().nullable(),
  labels,
})
export type Workflow = z.infer<typeof workflow>

export const workflowQuery = z.object({
  ...pageQuery,
  state: z.enum(workflowStates).optional(),
  owner: name.optional(),
})

/** The answer to a driver that starts: from here on its epoch is the only one that may write. */
export const startedDriver = z.object({ workflowId, epoch: z.int(), renewSeconds: z.int() })

export const driverEpoch = z.strictObject({ epoch: z.int().min(1) })

export const endWorkflow = z.strictObject({
  epoch: z.int().min(1),
  state: z.enum(['done', 'failed']),
  value: value.optional(),
  error: remoteError.optional(),
})

export const cancelBody = z.strictObject({ why: prose.max(500).optional() })
export const cancelReply = z.object({
  cancelled: z.int(),
  asked: z.int().meta({ description: 'Jobs that pilots hold: they end when their pilot confirms' }),
})
