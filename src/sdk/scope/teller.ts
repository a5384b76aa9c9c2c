import { fault } from '../../contract/faults.ts'
import type { JournalEntry } from '../../contract/workflows.ts'
import type { Fault } from '../../lib/fault.ts'
import type { Replay } from './replay.ts'
import type { Told, What } from './seen.ts'
import type { Slot } from './slot.ts'
import { Single, type Source } from './source.ts'
import { ToldLog } from './toldLog.ts'

export type TellerOptions = {
  slot: Slot
  /** What the earlier starts had asked and been told; nothing when this is the first. */
  replay?: Replay
  /** How long the replay may stand still while something is held back for it, s. */
  replaySeconds: number
  /** Takes a line for people. */
  say: (line: string) => void
  /** Is told that the replay cannot go on. */
  diverged: (error: Fault) => void
}

/** After so long without a step people are told what the replay waits for, s. */
const quietSeconds = 2

type Next = { source: Source; what: What; isRecorded: boolean }

/**
 * Tells the program what comes, one thing in each turn of the event loop, so that between two the program has done
 * all that it does at once: what it does then depends on the order alone. The first time that is the order in which
 * things come, and the log keeps it; while a replay is under way it is that of the journal.
 */
export class Teller {
  readonly log = new ToldLog()
  readonly #options: TellerOptions
  #replay: Replay | undefined
  /** Sources that have something to tell; during a replay it is held back until its turn comes. */
  readonly #ready = new Set<Source>()
  readonly #awaited = new Set<Source>()
  /** During a replay: the sources by their names, those that failed now, and what waits for its end. */
  readonly #named = new Map<string, Source>()
  readonly #failing = new Set<Source>()
  readonly #parked = new Set<{ what: string; resolve: () => void; reject: (error: unknown) => void }>()
  #isTurnComing = false
  #failure: { error: unknown } | undefined
  #movedAt = performance.now()
  #hasSaid = false
  #watch: NodeJS.Timeout | undefined

  constructor(options: TellerOptions) {
    this.#options = options
    this.#replay = options.replay?.isOver ? undefined : options.replay
  }

  get isReplaying(): boolean {
    return this.#replay !== undefined
  }

  /** Resolves when the program has been told what it wants of a source. */
  wait<Wants>(source: Source<Wants>, wants: Wants): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error)
    return source.wait(wants, this)
  }

  /** Something came, or somebody waits for it now. */
  changed(source: Source): void {
    if (!source.isAwaited) return
    this.#awaited.add(source)
    if (this.#replay && source.isFailing && !source.wasRefused) this.#failing.add(source)
    if (source.tellable) this.#ready.add(source)
    this.#comeSoon()
    this.#watchReplay()
  }

  /**
   * What the journal has of a key that `source` asks for now. When it has nothing, the asker is kept until the replay is
   * over, and gets undefined: it asks for something new. `what` is what people call it.
   * @throws the refusal that the journal tells of
   */
  ask(key: string, source: Source, what: string): Promise<JournalEntry | undefined> {
    source.name = `=${key}`
    const replay = this.#replay
    const earlier = this.#options.replay?.earlier(key)
    if (!replay && !earlier) return Promise.resolve(undefined)
    const entry = replay?.ask(key) ?? earlier
    if (entry?.taskId) source.name = entry.taskId
    if (!replay) return Promise.resolve(entry)
    this.#named.set(source.name, source)
    this.#moved()
    if (entry || !this.#replay) return Promise.resolve(entry)
    if (this.#failure) return Promise.reject(this.#failure.error)
    const refusal = replay.refusalOf(source.name)
    if (refusal) {
      source.wasRefused = true
      source.fail(refusal)
      return Promise.reject(refusal)
    }
    return new Promise((resolve, reject) => {
      this.#parked.add({ what, resolve: () => resolve(undefined), reject })
      this.#watchReplay()
    })
  }

  /** A workflow function that was called in this scope has ended: that is told as everything else. */
  async tellEnd(name: string): Promise<void> {
    const source = new Single()
    source.name = name
    if (this.#replay) this.#named.set(name, source)
    source.come()
    await this.wait(source, 'value')
  }

  /** Whoever waits gets this error, now and later. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    for (const source of this.#awaited) source.reject(error)
    for (const { reject } of this.#parked) reject(error)
    this.#awaited.clear()
    this.#parked.clear()
    this.#ready.clear()
    this.#failing.clear()
    clearInterval(this.#watch)
  }

  /** When the program has ended: what it has not asked for again. */
  get missing(): Fault | undefined {
    const call = this.#replay?.firstUnasked
    if (call === undefined) return undefined
    return fault(
      'journal_diverged',
      `the program ended, and has not asked for ${call} again, which it had when it was started before`,
      { missing: call },
    )
  }

  #comeSoon(): void {
    if (this.#isTurnComing) return
    this.#isTurnComing = true
    setImmediate(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    const taken = this.#next() && this.#options.slot.take()
    if (taken) await taken
    const next = this.#next()
    if (next) this.#tell(next)
    else if (this.#awaited.size > 0) this.#options.slot.give()
    this.#isTurnComing = false
    if (next) this.#comeSoon()
  }

  #next(): Next | undefined {
    return this.#replay ? this.#nextOfReplay(this.#replay) : firstOf(this.#ready, (source) => source.tellable)
  }

  /** What has failed now, and not before, is told at once: it will not come. */
  #nextOfReplay(replay: Replay): Next | undefined {
    const failing = firstOf(this.#failing, (source) => (source.isFailing ? source.failure : undefined))
    if (failing) return failing
    const told = replay.next
    const source = told && this.#named.get(told.source)
    return source?.canTell(told!) ? { source, what: told!, isRecorded: true } : undefined
  }

  #tell({ source, what, isRecorded }: Next): void {
    this.#ready.delete(source)
    this.#failing.delete(source)
    if (!this.#replay && source.name !== undefined) this.log.push({ source: source.name, ...what })
    source.tell(what)
    if (source.tellable) this.#ready.add(source)
    if (!source.isAwaited) this.#awaited.delete(source)
    if (!isRecorded) return
    this.#replay!.advance()
    this.log.pushStored()
    this.#moved()
  }

  #moved(): void {
    this.#movedAt = performance.now()
    this.#hasSaid = false
    this.#comeSoon()
    if (!this.#replay?.isOver) return
    this.#replay = undefined
    this.#named.clear()
    this.#failing.clear()
    clearInterval(this.#watch)
    for (const { resolve } of this.#parked) resolve()
    this.#parked.clear()
  }

  /** While something waits in a replay: looks now and then whether it still goes on. This also keeps the process. */
  #watchReplay(): void {
    if (!this.#replay || this.#watch || this.#failure) return
    const { replaySeconds } = this.#options
    this.#watch = setInterval(() => this.#look(), Math.min(1000, replaySeconds * 250))
  }

  #look(): void {
    if (this.#awaited.size + this.#parked.size === 0) {
      clearInterval(this.#watch)
      this.#watch = undefined
      return
    }
    const seconds = (performance.now() - this.#movedAt) / 1000
    const { replaySeconds } = this.#options
    const lacking = this.#lacking()
    if (lacking && seconds > Math.min(quietSeconds, replaySeconds / 2) && !this.#hasSaid) {
      this.#hasSaid = true
      this.#options.say(`it replays what an earlier start had done, and waits for ${lacking.what}`)
    }
    if (lacking?.by === 'program' && seconds > replaySeconds) this.#diverge(lacking.what)
  }

  /** What the replay waits for while something is held back for it; undefined when the program has nothing to wait for but itself. */
  #lacking(): { by: 'program' | 'server'; what: string } | undefined {
    const replay = this.#replay!
    const told = replay.next
    const source = told && this.#named.get(told.source)
    if (told && source?.isAwaiting(told)) return { by: 'server', what: `the outcome of ${told.source}` }
    const isHeld = this.#parked.size > 0 || firstOf(this.#ready, (ready) => ready.tellable)
    if (!isHeld) return undefined
    const call = replay.due
    return {
      by: 'program',
      what: call ? `the program to ask for ${call}` : `the program to await ${this.#nameOf(told)}`,
    }
  }

  #nameOf(told: Told | undefined): string {
    if (!told) return 'what it had awaited'
    return told.what === 'one' ? `outcome ${told.index} of ${told.source}` : told.source
  }

  #diverge(lacking: string): void {
    const [parked] = this.#parked
    const instead = parked ? `; it asks for ${parked.what} instead, for which it had not asked` : ''
    const { replaySeconds } = this.#options
    this.#options.diverged(
      fault(
        'journal_diverged',
        `for ${replaySeconds} s the replay waited for ${lacking}, as when it was started before${instead}`,
      ),
    )
  }
}

/** The first that has something to tell; those that have not leave the set. */
const firstOf = (sources: Set<Source>, whatOf: (source: Source) => What | undefined): Next | undefined => {
  for (const source of sources) {
    const what = whatOf(source)
    if (what) return { source, what, isRecorded: false }
    sources.delete(source)
  }
  return undefined
}
