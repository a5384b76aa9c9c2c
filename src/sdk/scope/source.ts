import { Fault } from '../../lib/fault.ts'
import type { What } from './seen.ts'

/** Who tells the program what comes, one thing at a time. */
export type Listener = { changed(source: Source): void }

type Waiter = { wants: unknown; resolve: () => void; reject: (error: unknown) => void }

/**
 * Something that the program can wait for: a call, a map, a record, a workflow function that it called. What comes is
 * kept here; the program knows of it when it is told.
 */
export abstract class Source<Wants = unknown> {
  /** Its name in the journal: the task's id, or `=` and the key; undefined until there is one. */
  name: string | undefined
  /** Whether the program has waited for it yet. */
  watched = false
  /** The journal tells that it was refused: that is told when its turn comes. */
  wasRefused = false
  #listener: Listener | undefined
  #error: { error: unknown; isTold: boolean } | undefined
  readonly #waiters = new Set<Waiter>()

  /** What one who wants this would be told now, if anything. */
  protected abstract offer(wants: Wants): What | undefined
  /** Whether this is what he waits for. */
  protected abstract isWanted(wants: Wants, what: What): boolean
  /** Whether it has come, so that it can be told. */
  protected abstract has(what: What): boolean
  /** Keeps that it was told. */
  protected abstract note(what: What): void
  /** Whether he needs to be told nothing any more. */
  protected abstract knows(wants: Wants): boolean

  /** Resolves when the program was told what it wants; `listener` decides when. */
  wait(wants: Wants, listener: Listener): Promise<void> {
    this.watched = true
    this.#listener = listener
    if (this.knows(wants)) return Promise.resolve()
    if (this.#error?.isTold) return Promise.reject(this.#error.error)
    return new Promise((resolve, reject) => {
      this.#waiters.add({ wants, resolve, reject })
      listener.changed(this as Source)
    })
  }

  /** No more will come: the call could not be made, or its results cannot be fetched. */
  fail(error: unknown): void {
    if (this.#error) return
    this.#error = { error, isTold: false }
    this.changed()
  }

  get isAwaited(): boolean {
    return this.#waiters.size > 0
  }

  /** Whether it has failed, and nobody was told. */
  get isFailing(): boolean {
    return this.#error?.isTold === false && this.isAwaited
  }

  /** What one of those who wait would be told now. */
  get tellable(): What | undefined {
    for (const { wants } of this.#waiters) {
      const what = this.offer(wants as Wants)
      if (what) return what
    }
    return this.isFailing ? this.failure : undefined
  }

  get failure(): What {
    const { error } = this.#error!
    const code = String((error as { code?: unknown } | null)?.code ?? 'internal')
    return { what: 'error', code, message: error instanceof Error ? error.message : String(error) }
  }

  /** Whether somebody waits for this. */
  isAwaiting(what: What): boolean {
    if (what.what === 'error') return this.isAwaited
    for (const { wants } of this.#waiters) if (this.isWanted(wants as Wants, what)) return true
    return false
  }

  /** Whether this has come, and somebody waits for it. An error that the journal tells of is told whatever has come. */
  canTell(what: What): boolean {
    return this.isAwaiting(what) && (what.what === 'error' || this.has(what))
  }

  tell(what: What): void {
    if (what.what === 'error') {
      this.#error ??= { error: new Fault(what.code, what.message), isTold: true }
      this.#error.isTold = true
      this.reject(this.#error.error)
      return
    }
    const told = [...this.#waiters].filter(({ wants }) => this.isWanted(wants as Wants, what))
    this.note(what)
    for (const waiter of told) {
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  /** Everyone who waits gets this error. */
  reject(error: unknown): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const { reject } of waiters) reject(error)
  }

  protected changed(): void {
    this.#listener?.changed(this as Source)
  }
}

/** Something that comes once. */
export class Single extends Source<'value'> {
  #hasCome = false
  #isTold = false

  come(): void {
    this.#hasCome = true
    this.changed()
  }

  protected offer(): What | undefined {
    return this.#hasCome ? { what: 'all' } : undefined
  }

  protected isWanted(_wants: 'value', { what }: What): boolean {
    return what === 'all'
  }

  protected has(): boolean {
    return this.#hasCome
  }

  protected note(): void {
    this.#isTold = true
  }

  protected knows(): boolean {
    return this.#isTold
  }
}
