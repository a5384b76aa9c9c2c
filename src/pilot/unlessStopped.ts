import type { Attempt } from './attempt.ts'

/** Waits for what prepares an attempt, but no longer than until the attempt is stopped; then throws, and the reason of the stop is what is reported. */
export const unlessStopped = async <T>(attempt: Attempt, work: Promise<T>): Promise<T> => {
  work.catch(() => {}) // when the stop comes first, nobody is left to hear how it ended
  const stopped = attempt.stopping.then(() => {
    throw new Error('it was stopped before it ran')
  })
  return Promise.race([work, stopped])
}
