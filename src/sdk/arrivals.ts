import type { RemoteError } from './remoteError.ts'

/** A job at its end: its value, or why there is none. */
export type Outcome<T> =
  | { index: number; jobId: string; state: 'finished'; value: T }
  | { index: number; jobId: string; state: 'failed' | 'cancelled'; error: RemoteError }

/** The ended jobs of one call or map, in the order in which they came. Who waits is told of each. */
export class Arrivals<T> {
  readonly size: number
  readonly came: Outcome<T>[] = []
  firstFailure: RemoteError | undefined
  #waiting = new Set<{ until: () => boolean; resolve: () => void; reject: (error: unknown) => void }>()
  #error: { error: unknown } | undefined
  #watched = false

  constructor(size: number) {
    this.size = size
  }

  receive(outcome: Outcome<T>): void {
    this.came.push(outcome)
    if (outcome.state !== 'finished') this.firstFailure ??= outcome.error
    for (const waiter of this.#waiting) {
      if (!waiter.until()) continue
      this.#waiting.delete(waiter)
      waiter.resolve()
    }
  }

  get complete(): boolean {
    return this.came.length >= this.size
  }

  /** No more will come: the call could not be made, or its results cannot be fetched. */
  fail(error: unknown): void {
    if (this.#error || this.complete) return
    this.#error = { error }
    for (const { reject } of this.#waiting) reject(error)
    this.#waiting.clear()
  }

  /** Whether anybody has waited for something yet. */
  get watched(): boolean {
    return this.#watched
  }

  /** Resolves when `until` holds; it is asked again whenever a job has ended. */
  async when(until: () => boolean): Promise<void> {
    this.#watched = true
    if (until()) return
    if (this.#error) throw this.#error.error
    await new Promise<void>((resolve, reject) => this.#waiting.add({ until, resolve, reject }))
  }
}
