import { setMaxListeners } from 'node:events'
import { Bell } from '../../../src/lib/wake.ts'
import type { Timeline } from '../timeline.ts'

/** This life of the pilot is over: its threads end. */
export class LifeOver extends Error {}

/** Room was freed, a report waits, an attempt is over or its end acknowledged, something came for an attempt that is held. */
type BellKey = 'freed' | 'reports' | 'quiet' | `held:${string}`

/** The threads of one life of a pilot: how they wait and wake each other, and that they all end with it. */
export class Threads {
  readonly #timeline: Timeline
  readonly #over = new AbortController()
  readonly #bell = new Bell<BellKey>()

  constructor(timeline: Timeline) {
    setMaxListeners(0, this.#over.signal)
    this.#timeline = timeline
  }

  spawn(run: () => Promise<void>): void {
    this.#timeline.spawn(run, (error) => error instanceof LifeOver)
  }

  readonly sleep = async (ms: number): Promise<void> => {
    await this.#timeline.wait(null, ms, this.#over.signal)
    this.mustLive()
  }

  ring(key: BellKey): void {
    this.#bell.ring(key)
  }

  /** Until somebody rings, at most `ms`, or until `signal`. */
  async rung(key: BellKey, ms: number, signal = this.#over.signal): Promise<void> {
    const { rung, cancel } = this.#bell.arm([key])
    await this.#timeline.wait(rung, ms, signal)
    cancel()
    this.mustLive()
  }

  end(): void {
    this.#over.abort()
  }

  get areOver(): boolean {
    return this.#over.signal.aborted
  }

  mustLive(): void {
    if (this.areOver) throw new LifeOver()
  }
}
