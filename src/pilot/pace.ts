/** What is claimed ahead should last as long as a claim takes, also on a busy machine, ms. */
const coverMs = 25

/** Longer jobs are not claimed ahead: another pilot may be idle, and a claim is nothing beside them, ms. */
const longMs = 50

/** So many jobs per core at most, however short they are: a claim should stay of a size that is answered soon. */
const maxPerCore = 1000

/** Jobs are handed to a runner together when so many pass in this time, ms: what comes in between (a cancel, a longer job) waits no longer than that. */
const oneGoMs = 10
const maxInOneGo = 200

/**
 * How short the jobs of late were, and so how many to claim ahead of free cores: with jobs of a millisecond a claim each would be most of the work. The mean
 * forgets with a half-life of some ten jobs, and takes a long job at once.
 */
export class Pace {
  #meanMs = Number.POSITIVE_INFINITY

  ended(ms: number): void {
    const known = Number.isFinite(this.#meanMs)
    this.#meanMs = known && ms < longMs ? this.#meanMs + (ms - this.#meanMs) / 16 : ms
  }

  /** Jobs that a runner may be given behind another. */
  inOneGo(): number {
    return this.#meanMs > oneGoMs / 2 ? 0 : Math.min(maxInOneGo, Math.floor(oneGoMs / Math.max(this.#meanMs, 0.01)))
  }

  /** Jobs to hold ahead, for so many cores. */
  ahead(cores: number): number {
    if (this.#meanMs > longMs) return 0
    return cores * Math.min(maxPerCore, Math.ceil(coverMs / Math.max(this.#meanMs, 0.01)))
  }
}
