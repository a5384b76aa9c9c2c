import type { Table } from '../../lib/machine.ts'

export type WorkflowState =
  | 'registered'
  | 'running'
  | 'paused'
  | 'done'
  | 'finished'
  | 'failed'
  | 'cancelled'
  | 'expired'

export type WorkflowTrigger =
  | 'started'
  | 'driverLost'
  | 'driverBack'
  | 'succeeded'
  | 'partly'
  | 'failed'
  | 'cancelAsked'
  | 'outOfTime'
  | 'retried'
  | 'pauseAsked'
  | 'resumed'
  | 'reprioritised'
  | 'finishAsked'

/** A workflow ends by its driver's word, or, when it has none, when its last task ends. */
export const workflowTable: Table<WorkflowState, WorkflowTrigger> = {
  registered: {
    started: 'running',
    succeeded: 'done',
    partly: 'finished',
    failed: 'failed',
    cancelAsked: 'cancelled',
    outOfTime: 'expired',
  },
  running: {
    driverLost: 'paused',
    driverBack: 'running',
    succeeded: 'done',
    partly: 'finished',
    failed: 'failed',
    cancelAsked: 'cancelled',
    outOfTime: 'expired',
    pauseAsked: 'paused',
    reprioritised: 'running',
    finishAsked: 'running',
  },
  // By a person or by the silence of its driver, and by both: `held` says whether a person has part in it.
  paused: {
    pauseAsked: 'paused',
    resumed: 'running',
    reprioritised: 'paused',
    finishAsked: 'paused',
    driverBack: 'running',
    succeeded: 'done',
    partly: 'finished',
    failed: 'failed',
    cancelAsked: 'cancelled',
    outOfTime: 'expired',
  },
  done: {},
  finished: { retried: 'running' },
  failed: { retried: 'running' },
  cancelled: { retried: 'running' },
  expired: {},
}

export const workflowStates = Object.keys(workflowTable) as WorkflowState[]
export const workflowEnds = ['done', 'finished', 'failed', 'cancelled', 'expired'] as const satisfies WorkflowState[]
export const workflowHasEnded = (state: WorkflowState): boolean =>
  (workflowEnds as readonly WorkflowState[]).includes(state)

export const workflowSentences: Record<WorkflowState, string> = {
  registered: 'accepted; nothing of it has started',
  running: 'its driver lives, or tasks of it are under way',
  paused: 'its driver fell silent or a person holds it; it goes on when it is continued',
  done: 'its objective is reached: the function returned, or all of its tasks are done',
  finished: 'part of it is reached',
  failed: 'its function raised an error, or none of it is reached',
  cancelled: 'a person ended it',
  expired: 'it ran out of the time it was given',
}
