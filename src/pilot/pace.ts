/** What is claimed ahead should last as long as a claim takes, also on a busy machine, ms. */
const coverMs = 25

/** Longer jobs are not claimed ahead: another pilot may be idle, and a claim is nothing beside them, ms. */
const longMs = 50

/** So many jobs per core at most, however short they are. */
const maxPerCore = 50

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

  /** Jobs to hold ahead, for so many cores. */
  ahead(cores: number): number {
    if (this.#meanMs > longMs) return 0
    return cores * Math.min(maxPerCore, Math.ceil(coverMs / Math.max(this.#meanMs, 0.01)))
  }
}
