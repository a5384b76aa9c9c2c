import { hasEnded } from './counts.ts'

/** What people can do to work that is there. */
export type Action = 'pause' | 'resume' | 'priority' | 'finish' | 'retry' | 'cancel'

export type Subject = { noun: 'workflow' | 'task' | 'job'; state: string; held?: boolean }

/** What makes sense in a state; the server has the last word. */
export const actionsFor = ({ noun, state, held }: Subject): Action[] => {
  if (hasEnded(state)) return mayComeBack.has(state) ? ['retry'] : []
  if (noun === 'job') return ['cancel']
  if (state === 'aborting') return []
  if (state === 'finishing') return ['cancel']
  const isPaused = noun === 'workflow' ? held : state === 'paused'
  return [isPaused ? 'resume' : 'pause', 'priority', 'finish', 'cancel']
}

const mayComeBack = new Set(['finished', 'failed', 'cancelled', 'aborted', 'exhausted'])

/** Of several what makes sense for any of them. A job that has finished well is not one of those that come back. */
export const actionsForAll = (subjects: Subject[]): Action[] => {
  const some = new Set(subjects.filter(({ noun, state }) => noun !== 'job' || state !== 'finished').flatMap(actionsFor))
  return order.filter((action) => some.has(action))
}

const order: Action[] = ['pause', 'resume', 'priority', 'finish', 'retry', 'cancel']

export const actionWords: Record<Action, { title: string; done: string; means: string }> = {
  pause: { title: 'Pause', done: 'paused', means: 'Nothing more begins until it is resumed. What runs may end.' },
  resume: { title: 'Resume', done: 'resumed', means: 'It goes on where it was.' },
  priority: {
    title: 'Set priority',
    done: 'given another priority',
    means: 'Among all that waits in the same queues: more is sooner, 1000 is usual. What runs goes on.',
  },
  finish: {
    title: 'Finish early',
    done: 'finished early',
    means: 'What has not begun is cancelled. What runs may end, and what has finished stays.',
  },
  retry: {
    title: 'Run again',
    done: 'run again',
    means: 'What failed or was cancelled runs again, from the start or its last checkpoint. What has finished stays.',
  },
  cancel: {
    title: 'Cancel',
    done: 'cancelled',
    means: 'What runs is stopped, and its results are lost. What has finished stays.',
  },
}

type Touches = { tasks: number; jobs: { total: number }; stops: number }

/** What an action would touch, in a line each. */
export const touchedLines = (action: Action, { jobs, stops }: Touches): string[] => {
  const n = (some: number, word: string) => `${some.toLocaleString()} ${word}${some === 1 ? '' : 's'}`
  const waits = (some: number) => `${n(some, 'job')} that ${some === 1 ? 'waits' : 'wait'}`
  const waiting = jobs.total - stops
  if (action === 'retry') return [`${n(jobs.total, 'job')} to run again`]
  if (action === 'cancel')
    return [
      ...(stops > 0 ? [`stops ${n(stops, 'running job')}`] : []),
      ...(waiting > 0 ? [`${waits(waiting)} will not run`] : []),
      ...(jobs.total === 0 ? ['no job of it is under way'] : []),
    ]
  const what = { pause: 'held', resume: 'let go on', priority: 'take their new place', finish: 'cancelled' }[action]
  return [jobs.total > 0 ? `${waits(jobs.total)}: ${what}` : 'no job of it waits']
}
