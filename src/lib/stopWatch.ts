/** Counts time, with pauses. */
export class StopWatch {
  #countedMs = 0
  #since: number | null = null

  go(): void {
    this.#since ??= performance.now()
  }

  halt(): void {
    this.#countedMs = this.ms
    this.#since = null
  }

  get ms(): number {
    return this.#countedMs + (this.#since === null ? 0 : performance.now() - this.#since)
  }
}
