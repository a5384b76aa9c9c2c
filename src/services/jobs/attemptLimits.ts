import type { NewTask } from '../../contract/tasks.ts'
import type { AttemptLimits } from '../../policy/retry/decide.ts'
import type { TaskFacts } from '../../store/tasks.ts'

/** How often its jobs are tried, by the cause of their failures. */
export const attemptLimits = ({
  attemptsUser,
  attemptsSite,
  attemptsLost,
  attemptsOthers,
}: Pick<TaskFacts, 'attemptsUser' | 'attemptsSite' | 'attemptsLost' | 'attemptsOthers'>): AttemptLimits => ({
  user: attemptsUser,
  ...(attemptsOthers === null ? {} : JSON.parse(attemptsOthers)),
  site: attemptsSite,
  lost: attemptsLost,
})

/** Those that most do not name, as they are kept: JSON text. */
export const otherAttempts = ({ user, site, lost, ...others }: NewTask['attempts']): string | null =>
  Object.keys(others).length > 0 ? JSON.stringify(others) : null
