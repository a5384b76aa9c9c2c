import type { Table } from '../../lib/machine.ts'

export type JobState =
  | 'pending'
  | 'activated'
  | 'sent'
  | 'starting'
  | 'running'
  | 'awaiting'
  | 'holding'
  | 'transferring'
  | 'merging'
  | 'finished'
  | 'failed'
  | 'cancelled'
  | 'closed'

export type JobTrigger =
  | 'parentsReleased'
  | 'parentFailed'
  | 'claimed'
  | 'rebrokered'
  | 'replaced'
  | 'staging'
  | 'started'
  | 'awaits'
  | 'woken'
  | 'resumed'
  | 'recovered'
  | 'payloadDone'
  | 'moving'
  | 'toMerge'
  | 'registered'
  | 'succeeded'
  | 'reused'
  | 'returned'
  | 'lost'
  | 'willRetry'
  | 'gaveUp'
  | 'cancelAsked'
  | 'cancelConfirmed'
  | 'retried'
  | 'retriedAhead'

/** What can happen to a job that a pilot holds, whatever it is doing there. */
const held = {
  succeeded: 'finished',
  payloadDone: 'holding',
  willRetry: 'activated',
  lost: 'activated',
  gaveUp: 'failed',
  cancelConfirmed: 'cancelled',
} as const

/**
 * Both orders of every race are rows. Cancel and finish: a held job that finishes first is `finished`, and the confirmation that comes after is
 * stale; a job whose cancel was confirmed first is `cancelled`, and its result is stale. Lost and report: until another attempt has begun, the lost one is
 * `recovered` when its pilot is heard again, and its report counts; after that the attempt's number decides (a stale attempt never gets here).
 * A holding job has left its pilot: nothing that befalls that one reaches it, and nobody has to confirm its cancel.
 */
export const jobTable: Table<JobState, JobTrigger> = {
  pending: { parentsReleased: 'activated', parentFailed: 'cancelled', cancelAsked: 'cancelled' },
  // A job that waits in its pilot's resume lane is held as well: its payload may even end before its slot came (a race of its own).
  activated: {
    ...held,
    claimed: 'sent',
    reused: 'finished',
    resumed: 'running',
    recovered: 'running',
    rebrokered: 'activated',
    replaced: 'closed',
    cancelAsked: 'cancelled',
    returned: 'activated',
  },
  sent: { ...held, staging: 'starting', started: 'running', awaits: 'awaiting', returned: 'activated' },
  starting: { ...held, started: 'running', awaits: 'awaiting', returned: 'activated' },
  running: { ...held, awaits: 'awaiting', returned: 'activated' },
  awaiting: { ...held, woken: 'activated', returned: 'activated' },
  holding: {
    moving: 'transferring',
    toMerge: 'merging',
    registered: 'finished',
    willRetry: 'activated',
    gaveUp: 'failed',
    cancelConfirmed: 'cancelled',
  },
  transferring: {
    toMerge: 'merging',
    registered: 'finished',
    willRetry: 'activated',
    gaveUp: 'failed',
    cancelConfirmed: 'cancelled',
  },
  merging: { registered: 'finished', willRetry: 'activated', gaveUp: 'failed', cancelConfirmed: 'cancelled' },
  finished: {},
  failed: { retried: 'activated', retriedAhead: 'pending' },
  cancelled: { retried: 'activated', retriedAhead: 'pending' },
  closed: {},
}

export const jobStates = Object.keys(jobTable) as JobState[]

/** Where a job rests; from `failed` and `cancelled` only a person's retry leads on. */
export const jobEnds = ['finished', 'failed', 'cancelled', 'closed'] as const satisfies JobState[]
export type JobEnd = (typeof jobEnds)[number]

export const hasEnded = (state: JobState): state is JobEnd => (jobEnds as readonly JobState[]).includes(state)

/** What each state means, and where such a job is to be found. */
export const jobSentences: Record<JobState, string> = {
  pending: 'waits until the jobs and tasks it depends on have finished; `unmet` counts them',
  activated: 'may be claimed: it has a row in `ready`, or `held_by` says why not (back-off, pause, a limit)',
  sent: 'a pilot has it; its payload has not yet been reported to run',
  starting: 'the pilot brings its inputs',
  running: 'its payload runs',
  awaiting: 'its payload waits for calls of its own, and gave its slot back meanwhile',
  holding:
    'its payload has ended well; its value is still to come from outside (a callback), or its outputs are being registered',
  transferring: 'its outputs are on their way to where they belong',
  merging: 'its outputs wait for a merge job of the task',
  finished: 'its result is registered, and what waits for it is told',
  failed: 'it failed, and no attempt is left; the cause is with its last attempt',
  cancelled: 'it was cancelled, by a person or since something it needed failed',
  closed: 'another job took its place',
}
