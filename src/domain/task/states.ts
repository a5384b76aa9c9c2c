import type { Table } from '../../lib/machine.ts'

export type TaskState =
  | 'registered'
  | 'defined'
  | 'ready'
  | 'pending'
  | 'scouting'
  | 'scouted'
  | 'running'
  | 'paused'
  | 'throttled'
  | 'finishing'
  | 'aborting'
  | 'done'
  | 'finished'
  | 'failed'
  | 'exhausted'
  | 'broken'
  | 'aborted'

export type TaskTrigger =
  | 'refined'
  | 'filled'
  | 'mustWait'
  | 'parentsReleased'
  | 'scoutsSent'
  | 'scoutsDone'
  | 'started'
  | 'allFinished'
  | 'someFinished'
  | 'noneFinished'
  | 'cannotRefine'
  | 'tooMany'
  | 'cancelAsked'
  | 'finishAsked'
  | 'allEnded'
  | 'retried'
  | 'pauseAsked'
  | 'resumed'
  | 'reprioritised'

/** How a task ends by itself, wherever it was. */
const ends = { allFinished: 'done', someFinished: 'finished', noneFinished: 'failed' } as const
const asked = { cancelAsked: 'aborting', finishAsked: 'finishing' } as const
const held = { pauseAsked: 'paused' } as const

/** `paused` and `throttled` return to `cameFrom`, which a table cannot say: by way of `ready`, and from there to where it came from (`services/steer/sweeps.ts`). */
export const taskTable: Table<TaskState, TaskTrigger> = {
  registered: {
    refined: 'defined',
    filled: 'ready',
    mustWait: 'pending',
    cannotRefine: 'broken',
    cancelAsked: 'aborting',
  },
  defined: { filled: 'ready', mustWait: 'pending', cannotRefine: 'broken', ...asked },
  ready: {
    started: 'running',
    scoutsSent: 'scouting',
    mustWait: 'pending',
    reprioritised: 'ready',
    ...held,
    ...ends,
    ...asked,
  },
  pending: { parentsReleased: 'ready', reprioritised: 'pending', ...held, ...ends, ...asked },
  scouting: { scoutsDone: 'scouted', tooMany: 'exhausted', ...ends, ...asked },
  scouted: { started: 'running', ...ends, ...asked },
  running: { tooMany: 'exhausted', reprioritised: 'running', ...held, ...ends, ...asked },
  paused: { resumed: 'ready', reprioritised: 'paused', ...ends, ...asked },
  throttled: { ...ends, ...asked },
  finishing: { ...ends, cancelAsked: 'aborting' },
  aborting: { allEnded: 'aborted' },
  done: {},
  finished: { retried: 'ready' },
  failed: { retried: 'ready' },
  exhausted: { retried: 'ready', cancelAsked: 'aborting' },
  broken: {},
  aborted: { retried: 'ready' },
}

export const taskStates = Object.keys(taskTable) as TaskState[]

/** Where a task rests. */
export const taskEnds = ['done', 'finished', 'failed', 'exhausted', 'broken', 'aborted'] as const satisfies TaskState[]

export const taskHasEnded = (state: TaskState): boolean => (taskEnds as readonly TaskState[]).includes(state)

export const taskSentences: Record<TaskState, string> = {
  registered: 'accepted; nothing has been made of it yet',
  defined: 'its parameters are complete',
  ready: 'its jobs may be claimed; none has started',
  pending: 'waits for other tasks',
  scouting: 'a few jobs run first, to measure what the rest will need',
  scouted: 'its scouts have ended, and the rest is being sized',
  running: 'at least one of its jobs has been sent',
  paused: 'held by a person; returns to where it came from',
  throttled: 'held by a limit; returns to where it came from',
  finishing: 'no new jobs: it ends when those under way have ended',
  aborting: 'cancelled; its jobs are being ended',
  done: 'all of its jobs finished',
  finished: 'part of its jobs finished, and the rest failed or was cancelled',
  failed: 'none of its jobs finished',
  exhausted: 'stopped, since too many of its jobs failed',
  broken: 'cannot be made into jobs',
  aborted: 'cancelled, and nothing of it runs any more',
}
