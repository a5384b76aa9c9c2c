/** Why an attempt ended other than well. Who is to blame decides what follows (`policy/retry`). */
export const attemptCauses = {
  user: 'the payload raised an error or left with a non-zero code',
  memory: 'the payload went over its memory limit and was ended',
  walltime: 'the payload went over its time limit and was ended',
  environment: 'the environment of the payload could not be made: its packages, its image, or what is run before it',
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

/** Whether the other jobs of its task would fail alike: they share the code, and the place that is made for it. */
export const stopsTask = (cause: AttemptCause): boolean => cause === 'bundle' || cause === 'environment'

/** How an attempt ends; it ends once, and for ever. `sent` and `running` are read off `held` and `job`. */
export type AttemptEnd = 'finished' | 'failed' | 'lost' | 'cancelled' | 'returned'
export const attemptEnds: AttemptEnd[] = ['finished', 'failed', 'lost', 'cancelled', 'returned']

/** Why an `activated` job has no row in `ready`. */
export type HeldBy = 'timer' | 'pause' | 'limit'
