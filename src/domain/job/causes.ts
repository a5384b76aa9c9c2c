/** Why an attempt ended other than well. Who is to blame decides what follows (`policy/retry`). */
export const attemptCauses = {
  user: 'the payload raised an error or left with a non-zero code',
  memory: 'the payload went over its memory limit and was ended',
  walltime: 'the payload went over its time limit and was ended',
  bundle: 'the payload could not be loaded: a module, an export or a package is missing, or its import fails',
  site: 'the place could not run it: no runner, no disk, no interpreter',
  storage: 'its inputs could not be fetched or its outputs could not be stored',
  lost: 'its pilot fell silent, and the lease on it ended',
  runner: 'the process of the payload ended without a word (a signal, or an exit in the middle)',
  parent: 'something it depends on did not finish',
  cancelled: 'it was cancelled',
} as const

export type AttemptCause = keyof typeof attemptCauses
export const attemptCauseNames = Object.keys(attemptCauses) as AttemptCause[]

/** How an attempt ends; it ends once, and for ever. `sent` and `running` are read off `held` and `job`. */
export type AttemptEnd = 'finished' | 'failed' | 'lost' | 'cancelled' | 'returned'
export const attemptEnds: AttemptEnd[] = ['finished', 'failed', 'lost', 'cancelled', 'returned']

/** Why an `activated` job has no row in `ready`. */
export type HeldBy = 'timer' | 'pause' | 'limit'
