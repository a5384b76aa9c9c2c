import type { RemoteError } from './remoteError.ts'
import type { What } from './scope/seen.ts'
import { Source } from './scope/source.ts'

/** A job at its end: its value, or why there is none. */
export type Outcome<T> =
  | { index: number; jobId: string; state: 'finished'; value: T }
  | { index: number; jobId: string; state: 'failed' | 'cancelled'; error: RemoteError }

/** A large value: it lies on the server until somebody looks at it, and nothing here keeps it. */
export class Stored<T> {
  readonly fetch: () => Promise<T>

  constructor(fetch: () => Promise<T>) {
    this.fetch = fetch
  }
}

/** An outcome as it comes. */
export type Arrived<T> = Exclude<Outcome<T>, { state: 'finished' }> | Outcome<T | Stored<T>>

/** What was called gives its value, or throws its error. */
export const valueIn = <T>(arrived: Arrived<T>): T | Promise<T> => {
  if (arrived.state !== 'finished') throw arrived.error
  return arrived.value instanceof Stored ? arrived.value.fetch() : arrived.value
}

/** What one can wait for: all outcomes; the values, or the first failure; the n-th outcome in the order in which they are handed out. */
export type Wants = 'all' | 'values' | number

/** The ended jobs of one call or map, and what the program was told of them. */
export class Arrivals<T> extends Source<Wants> {
  readonly size: number
  readonly #outcomes: Arrived<T>[]
  /** Indexes in the order in which they came. */
  readonly #came: number[] = []
  #firstFailure: number | undefined
  /** Indexes in the order in which they were handed out. */
  readonly #handed: number[] = []
  readonly #wasHanded = new Set<number>()
  /** All before this place of `#came` were handed out. */
  #place = 0
  #isTold = false
  #toldFailure: number | undefined

  constructor(size: number) {
    super()
    this.size = size
    this.#outcomes = new Array(size)
  }

  receive(outcome: Arrived<T>): void {
    this.#outcomes[outcome.index] = outcome
    this.#came.push(outcome.index)
    if (outcome.state !== 'finished') this.#firstFailure ??= outcome.index
    this.changed()
  }

  override fail(error: unknown): void {
    if (!this.isComplete) super.fail(error)
  }

  get isComplete(): boolean {
    return this.#came.length >= this.size
  }

  /** All outcomes, once these were waited for, in the order of their indexes. */
  get outcomes(): readonly Arrived<T>[] {
    return this.#outcomes
  }

  /** The failure that was told to who waited for the values. */
  get toldFailure(): RemoteError | undefined {
    const outcome = this.#toldFailure === undefined ? undefined : this.#outcomes[this.#toldFailure]
    return outcome && outcome.state !== 'finished' ? outcome.error : undefined
  }

  /** The n-th outcome that was handed out. */
  handed(n: number): Arrived<T> {
    return this.#outcomes[this.#handed[n]!]!
  }

  protected offer(wants: Wants): What | undefined {
    if (wants === 'values' && this.#firstFailure !== undefined) return { what: 'failure', index: this.#firstFailure }
    if (typeof wants !== 'number') return this.isComplete ? { what: 'all' } : undefined
    while (this.#wasHanded.has(this.#came[this.#place]!)) this.#place++
    const index = this.#came[this.#place]
    return index === undefined ? undefined : { what: 'one', index }
  }

  protected isWanted(wants: Wants, { what }: What): boolean {
    if (typeof wants === 'number') return what === 'one' && wants === this.#handed.length
    if (what === 'failure') return wants === 'values'
    return what === 'all' && (wants === 'all' || this.#firstFailure === undefined)
  }

  protected has(what: What): boolean {
    return what.what === 'one' || what.what === 'failure' ? this.#outcomes[what.index] !== undefined : this.isComplete
  }

  protected note(what: What): void {
    if (what.what === 'all') this.#isTold = true
    if (what.what === 'failure') this.#toldFailure = what.index
    if (what.what !== 'one') return
    this.#handed.push(what.index)
    this.#wasHanded.add(what.index)
  }

  /** A map over nothing says nothing. */
  protected knows(wants: Wants): boolean {
    if (typeof wants === 'number') return wants < this.#handed.length
    if (wants === 'values' && this.#toldFailure !== undefined) return true
    return (this.#isTold || this.size === 0) && (wants === 'all' || this.#firstFailure === undefined)
  }
}
