import type { AttemptCause } from '../../domain/job/causes.ts'

/** How many attempts a job may spend on each kind of trouble. */
export type AttemptLimits = { user: number; site: number; lost: number }

export type Failure = {
  cause: AttemptCause
  /** Ended attempts by cause, this one included. */
  soFar: Partial<Record<AttemptCause, number>>
  limits: AttemptLimits
}

export type RetryDecision = { kind: 'retry'; waitSeconds: number; why: string } | { kind: 'giveUp'; why: string }

/** Whose budget a cause is charged to. What the user's code does wrong it does wrong everywhere; a place or a loss is not its fault. */
export const budgetOf: Record<AttemptCause, keyof AttemptLimits | null> = {
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

/**
 * Whether a job runs again after a failed attempt, and when. A loss is repeated at once; other trouble waits 1, 4, 16 … up to 300 s, so that a broken
 * place is not hammered (JEDI waits similarly; it has no figure of its own).
 */
export const decideRetry = ({ cause, soFar, limits }: Failure): RetryDecision => {
  const budget = budgetOf[cause]
  if (budget === null) return { kind: 'giveUp', why: `${cause} is not repeated` }
  const spent = Object.entries(soFar).reduce((sum, [c, n]) => sum + (budgetOf[c as AttemptCause] === budget ? n : 0), 0)
  if (spent >= limits[budget])
    return { kind: 'giveUp', why: `${cause}: attempt ${spent} of ${limits[budget]} allowed for ${budget} errors` }
  const waitSeconds = budget === 'lost' ? 0 : Math.min(300, 4 ** (spent - 1))
  return {
    kind: 'retry',
    waitSeconds,
    why: `${cause}: attempt ${spent} of ${limits[budget]} allowed for ${budget} errors`,
  }
}
