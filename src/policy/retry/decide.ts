import type { AttemptCause } from '../../domain/job/causes.ts'

/** How many attempts a job may spend on each kind of trouble. A cause that is named has a budget of its own; one that is not spends that of who is to blame. */
export type AttemptLimits = { user: number; site: number; lost: number } & Partial<
  Record<'memory' | 'walltime' | 'runner', number>
>

export type Failure = {
  cause: AttemptCause
  /** Ended attempts by cause, this one included. */
  soFar: Partial<Record<AttemptCause, number>>
  limits: AttemptLimits
}

export type RetryDecision = { kind: 'retry'; waitSeconds: number; why: string } | { kind: 'giveUp'; why: string }

/** Whose budget a cause is charged to. What the user's code does wrong it does wrong everywhere; a place or a loss is not its fault. */
export const budgetOf: Record<AttemptCause, 'user' | 'site' | 'lost' | null> = {
  user: 'user',
  memory: 'user',
  walltime: 'user',
  environment: 'user',
  bundle: 'user',
  runner: 'user',
  site: 'site',
  storage: 'site',
  lost: 'lost',
  parent: null,
  cancelled: null,
}

const budgetIn = (limits: AttemptLimits, cause: AttemptCause): keyof AttemptLimits | null => {
  const own = cause as keyof AttemptLimits
  return limits[own] === undefined ? budgetOf[cause] : own
}

/**
 * Whether a job runs again after a failed attempt, and when. A loss is repeated at once; other trouble waits 1, 4, 16 … up to 300 s, so that a broken
 * place is not hammered (JEDI waits similarly; it has no figure of its own).
 */
export const decideRetry = ({ cause, soFar, limits }: Failure): RetryDecision => {
  const budget = budgetIn(limits, cause)
  if (budget === null) return { kind: 'giveUp', why: `${cause} is not repeated` }
  const spent = Object.entries(soFar).reduce(
    (sum, [c, n]) => sum + (budgetIn(limits, c as AttemptCause) === budget ? n : 0),
    0,
  )
  const allowed = limits[budget]!
  if (spent >= allowed)
    return { kind: 'giveUp', why: `${cause}: attempt ${spent} of ${allowed} allowed for ${budget} errors` }
  const waitSeconds = budget === 'lost' ? 0 : Math.min(300, 4 ** (spent - 1))
  return {
    kind: 'retry',
    waitSeconds,
    why: `${cause}: attempt ${spent} of ${allowed} allowed for ${budget} errors`,
  }
}
