import type { JournalEntry } from '../../contract/workflows.ts'
import { Fault } from '../../lib/fault.ts'
import { readableKey } from './keys.ts'
import { readSeen, type Told } from './seen.ts'

/**
 * The journal of an earlier start, and how far its program has come with it again. Pure: it is told what is asked and
 * what was told, and says what is known and what is next.
 *
 * What the program is told comes in the order of the journal, and each only when everything was asked again that had
 * been asked before it: so a race has the winner it had, and a time-out that had fired fires before the outcome that
 * came too late.
 *
 * What is from before a retry has no order any more, since what had failed runs again: it is known by its key alone.
 */
export class Replay {
  /** What was not asked again yet, in the order of the journal. */
  readonly #unasked = new Map<string, JournalEntry>()
  readonly #tolds: Told[] = []
  /** How many of `#unasked` were asked when so much had been told. */
  readonly #unaskedAt: number[] = []
  readonly #positions = new Map<string, number>()
  /** By the name of the source: what was said to calls that are not in the journal. */
  readonly #refusals = new Map<string, Fault>()
  readonly #earlier = new Map<string, JournalEntry>()
  #told = 0
  /** How many must be asked again before the next thing is told. */
  #due: number

  constructor(entries: readonly JournalEntry[]) {
    for (const entry of entries) {
      if (entry.earlier) {
        if (!isFailure(entry)) this.#earlier.set(entry.key, entry)
        continue
      }
      const { from, tolds } = readSeen(entry.seen)
      // Requests overtake each other, so writes repeat what was not known to be stored.
      const known = Math.max(0, this.#tolds.length - from)
      for (let i = known; i < tolds.length; i++) this.#tolds.push(tolds[i]!)
      const position = Math.min(from + tolds.length, this.#tolds.length)
      this.#unasked.set(entry.key, entry)
      this.#positions.set(entry.key, position)
      this.#unaskedAt[position] = (this.#unaskedAt[position] ?? 0) + 1
    }
    for (const told of this.#tolds)
      if (told.what === 'error' && told.source.startsWith('=') && !this.#unasked.has(told.source.slice(1)))
        this.#refusals.set(told.source, new Fault(told.code, told.message))
    this.#due = this.#unaskedAt[0] ?? 0
  }

  /** Everything that the journal has was asked and told again. */
  get isOver(): boolean {
    return this.#told === this.#tolds.length && this.#unasked.size === 0
  }

  /** What the journal has of this key, which is asked now; undefined when it has nothing: then it waits for the end. */
  ask(key: string): JournalEntry | undefined {
    const entry = this.#unasked.get(key)
    if (!entry) return undefined
    this.#unasked.delete(key)
    const position = this.#positions.get(key)!
    this.#positions.delete(key)
    this.#unaskedAt[position]!--
    if (position <= this.#told) this.#due--
    return entry
  }

  /** What was called or recorded under this key before a retry. */
  earlier(key: string): JournalEntry | undefined {
    return this.#earlier.get(key)
  }

  /** The refusal of a call that is not in the journal; undefined when the journal does not tell of one. */
  refusalOf(source: string): Fault | undefined {
    return this.#refusals.get(source)
  }

  /** What is told next, once it is here and awaited; undefined while something must be asked before. */
  get next(): Told | undefined {
    return this.#due > 0 ? undefined : this.#tolds[this.#told]
  }

  /** `next` was told. */
  advance(): void {
    this.#told++
    this.#due += this.#unaskedAt[this.#told] ?? 0
  }

  /** The call that must be made again before anything is told; undefined when there is none. */
  get due(): string | undefined {
    if (this.#due === 0) return undefined
    for (const [key, position] of this.#positions) if (position <= this.#told) return readableKey(key)
    return undefined
  }

  /** The first call that was not made again, however much is told before it. */
  get firstUnasked(): string | undefined {
    const key = this.#unasked.keys().next().value
    return key === undefined ? undefined : readableKey(key)
  }
}

/** An error that `journal.once` had recorded: who retries wants it asked for again. */
const isFailure = ({ value }: JournalEntry): boolean => value?.startsWith('{"error":') ?? false
