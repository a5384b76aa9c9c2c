import type { JobState } from '../../domain/job/states.ts'

/** What people do to work that is there. */
export type Action = 'cancel' | 'retry' | 'pause' | 'resume' | 'priority' | 'finish'

export type JobCounts = Partial<Record<JobState, number>>

/** `stops`: attempts under way that end by it. What runs and is not stopped ends by itself. */
export type Touched = { jobs: JobCounts; stops: number }

const waiting: JobState[] = ['pending', 'activated']
const underWay: JobState[] = ['sent', 'starting', 'running', 'awaiting', 'holding', 'transferring', 'merging']
const lost: JobState[] = ['failed', 'cancelled']

const touchedStates: Record<Action, JobState[]> = {
  cancel: [...waiting, ...underWay],
  retry: lost,
  pause: waiting,
  resume: waiting,
  priority: waiting,
  finish: waiting,
}

/** Which of these jobs an action touches. */
export const touchedBy = (action: Action, counts: JobCounts): Touched => {
  const jobs: JobCounts = {}
  for (const state of touchedStates[action]) if (counts[state]) jobs[state] = counts[state]
  const stops = action === 'cancel' ? underWay.reduce((sum, state) => sum + (counts[state] ?? 0), 0) : 0
  return { jobs, stops }
}
