import type { JobEnd } from '../../src/domain/job/states.ts'
import { between, type Random, seeded } from './random.ts'

/** How a job must end; `any`: it is being cancelled, so either way is right. */
export type Expected = JobEnd | 'any'

export type PlannedJob = {
  /** What its shell does; `$MARK` is done before. */
  script: string
  /** Jobs of earlier tasks: place of the task in the workflow, index in it. */
  after?: [number, number][]
  expected: Expected
}

export type PlannedTask = {
  name: string
  jobs: PlannedJob[]
  /** Earlier tasks, by place. */
  after?: number[]
  attempts: { user: number; site: number; lost: number }
  /** Sent in so many parts, to an open task. */
  parts: number
  /** Cancelled once some of it runs. */
  cancel: boolean
}

export type PlannedWorkflow = { name: string; kind: 'session' | 'tasks'; tasks: PlannedTask[] }

/** Nobody's fault is counted here: a job that is lost or killed a hundred times ends well in the end. */
const patient = { user: 100, site: 100, lost: 100 }

/** Writes that this attempt began, and when: one short append, which the kernel keeps whole. `$0` is the file. */
export const markScript = 'read -r up rest </proc/uptime; echo "$CULM_JOB $CULM_ATTEMPT $up" >>"$0"; '

/**
 * The n-th workflow of a run. Most of it sleeps, so that many jobs are in flight on few cores; the rest has every kind of end: errors, retries, edges between jobs and
 * between tasks, a task that grows, a task that is cancelled.
 */
export const planWorkflow = (seed: number, n: number, scale: number): PlannedWorkflow => {
  const random = seeded(seed * 7919 + n)
  const some = (count: number) => Math.max(2, Math.round(count * scale))
  const tasks: PlannedTask[] = [
    plain('sleepers', sleepers(random, some(110), 15, 45)),
    plain('quick', quick(some(40))),
    plain(
      'flaky',
      times(some(10), () => ({ script: '[ "$CULM_ATTEMPT" -gt 1 ] || exit 3', expected: 'finished' })),
    ),
    {
      ...plain(
        'wrong',
        times(4, () => ({ script: 'exit 3', expected: 'failed' })),
      ),
      attempts: { ...patient, user: 2 },
    },
    plain(
      'second',
      times(some(30), (i) => ({
        script: '',
        after: [
          [1, i % some(40)],
          [1, (i + 1) % some(40)],
        ],
        expected: 'finished',
      })),
    ),
    plain(
      'third',
      times(some(15), (i) => ({
        script: 'sleep 1',
        after: [
          [4, i],
          [4, i + 1],
          [0, i],
        ],
        expected: 'finished',
      })),
    ),
    plain(
      'orphans',
      times(4, (i) => ({
        script: '',
        after: [
          [3, i],
          [1, i],
        ],
        expected: 'cancelled',
      })),
    ),
    { ...plain('after tasks', quick(some(10))), after: [1, 2] },
    {
      ...plain(
        'after a wrong one',
        times(3, () => ({ script: '', expected: 'cancelled' })),
      ),
      after: [3],
    },
    { ...plain('growing', sleepers(random, some(40), 1, 20)), parts: 4 },
    {
      ...plain(
        'cancelled',
        times(some(20), () => ({ script: 'sleep 60', expected: 'any' })),
      ),
      cancel: true,
    },
    plain('joined', [{ script: '', after: times(some(30), (i) => [4, i]), expected: 'finished' }]),
  ]
  return { name: `chaos ${n}`, kind: n % 2 === 0 ? 'session' : 'tasks', tasks }
}

const plain = (name: string, jobs: PlannedJob[]): PlannedTask => ({
  name,
  jobs,
  attempts: patient,
  parts: 1,
  cancel: false,
})

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i))

const quick = (n: number): PlannedJob[] => times(n, () => ({ script: '', expected: 'finished' }))

const sleepers = (random: Random, n: number, low: number, high: number): PlannedJob[] =>
  times(n, () => ({ script: `exec sleep ${between(random, low, high).toFixed(1)}`, expected: 'finished' }))
