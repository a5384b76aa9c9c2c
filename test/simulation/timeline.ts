import type { Wait } from '../../src/lib/wake.ts'
import type { Chance } from './chance.ts'

/** `resume` does nothing when the thread has gone on already. */
type Entry = { at: number; order: number; resume: () => void }

/** Between a ring and the moment when who waits for it runs, ms: long enough that others come between. */
const wakeMs = 3

/** No step takes so long, ms of real time, also on a machine that is busy with other things: it waits for something that only another thread could give. */
const stuckMs = 600_000

/**
 * Virtual time, and the threads that live in it. A thread is an async function that waits only here (and for the database, which is no time at all): one runs
 * until it waits or ends, then time jumps to whoever is next. Of those who are due together the seed picks.
 */
export class Timeline {
  #now: number
  readonly #chance: Chance
  readonly #queue = new Heap()
  #running = 0
  #whenParked: (() => void) | null = null
  /** What ended a thread by force: the run is over. */
  #broken: { error: unknown } | null = null
  steps = 0

  constructor(start: Date, chance: Chance) {
    this.#now = start.getTime()
    this.#chance = chance
  }

  readonly clock = (): Date => new Date(this.#now)

  get now(): number {
    return this.#now
  }

  /** A thread that begins soon. What it throws breaks the run, unless it is one of `endedBy`. */
  spawn(run: () => Promise<void>, endedBy: (error: unknown) => boolean = () => false): void {
    this.#at(this.#now + this.#chance.between(0, wakeMs), () => {
      this.#running++
      run()
        .catch((error) => {
          if (!endedBy(error)) this.#broken ??= { error }
        })
        .finally(() => this.#parked())
    })
  }

  readonly wait: Wait = (rung, ms, signal) => this.#wait(rung, ms, signal)

  readonly sleep = (ms: number): Promise<void> => this.#wait(null, ms, null)

  #wait(rung: Promise<void> | null, ms: number, signal: AbortSignal | null): Promise<void> {
    return new Promise((resolve) => {
      let woken = false
      let resumed = false
      const resume = () => {
        if (resumed) return
        resumed = woken = true
        signal?.removeEventListener('abort', wake)
        this.#running++
        resolve()
      }
      const wake = () => {
        if (woken) return
        woken = true
        this.#at(this.#now + this.#chance.between(0, wakeMs), resume)
      }
      if (signal?.aborted) wake()
      else signal?.addEventListener('abort', wake, { once: true })
      void rung?.then(wake)
      this.#at(this.#now + Math.max(0, ms), resume)
      this.#parked()
    })
  }

  /** Lets time pass, a step at a time, until `isOver` or the time `until`, ms. `betweenSteps` sees the world at rest. */
  async run(isOver: () => boolean, until: () => number, betweenSteps: () => Promise<void>): Promise<void> {
    while (!isOver()) {
      const entry = this.#queue.pop()
      if (!entry || entry.at > until()) return
      this.#now = Math.max(this.#now, entry.at)
      await this.#step(entry.resume)
      if (this.#broken) throw this.#broken.error
      await betweenSteps()
    }
  }

  async #step(resume: () => void): Promise<void> {
    const before = this.#running
    const parked = new Promise<void>((resolve) => {
      this.#whenParked = resolve
    })
    resume()
    if (this.#running === before) return
    this.steps++
    const watchdog = setTimeout(() => {
      this.#broken ??= { error: new Error(`a step took more than ${stuckMs} ms of real time`) }
      this.#whenParked?.()
    }, stuckMs)
    await parked
    clearTimeout(watchdog)
  }

  #at(at: number, resume: () => void): void {
    this.#queue.push({ at, order: this.#chance.next(), resume })
  }

  #parked(): void {
    if (--this.#running === 0) this.#whenParked?.()
  }
}

/** A binary heap in order of time, then of the lot that each entry drew. */
class Heap {
  readonly #entries: Entry[] = []

  push(entry: Entry): void {
    const entries = this.#entries
    let i = entries.push(entry) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(entry, entries[parent]!)) break
      entries[i] = entries[parent]!
      i = parent
    }
    entries[i] = entry
  }

  pop(): Entry | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (!first || !last || entries.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && isBefore(entries[child + 1]!, entries[child]!)) child++
      if (!isBefore(entries[child]!, last)) break
      entries[i] = entries[child]!
      i = child
    }
    entries[i] = last
    return first
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
