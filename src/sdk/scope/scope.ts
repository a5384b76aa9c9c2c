import { randomBytes } from 'node:crypto'
import type { Value } from '../../contract/base.ts'
import type { Client } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import type { Outcome as RawOutcome } from '../../contract/jobs.ts'
import type { NewJob } from '../../contract/tasks.ts'
import { decodeValue, encodeValue } from '../../contract/values.ts'
import { type JournalEntry, maxRecordBytes } from '../../contract/workflows.ts'
import { sleep } from '../../lib/clock.ts'
import { sha256 } from '../../lib/digest.ts'
import { type Fault, isFault } from '../../lib/fault.ts'
import { type Arrived, Stored } from '../arrivals.ts'
import { type Address, addressOf } from '../bundle/address.ts'
import { bundleFor } from '../bundle/bundleFor.ts'
import { type After, needsOf } from '../definition.ts'
import { type EnvironmentOptions, environmentOf, folderOf } from '../environment.ts'
import { RemoteError, type RemoteErrorContext } from '../remoteError.ts'
import { currentRuntime } from '../runtime.ts'
import type { Use } from '../use.ts'
import { makeDraws } from './draws.ts'
import { makeKeys, makeRecordKeys } from './keys.ts'
import { OutcomeStream, type Wanted, type Watch } from './outcomeStream.ts'
import { Replay } from './replay.ts'
import type { Slot } from './slot.ts'
import { Single } from './source.ts'
import { Teller } from './teller.ts'
import { fetchText, sendText } from './values.ts'

/** Jobs of a map that go in one request, so that the first of them run while the rest are on their way. */
const jobsPerPart = 1000

/** Arguments that go in one request, bytes: well below the server's limit of a request (16 MB). */
const bytesPerPart = 4_000_000

export type ScopeOptions = {
  client: Client
  workflowId: `w${number}`
  /** `driver`, or the id of the job whose calls these are. */
  name: string
  /** Number of the driver's starts, or of the job's attempt: of two the older is refused. */
  epoch: number
  slot: Slot
  /** What its earlier starts had asked for and were told; nothing when this is the first. */
  journal?: readonly JournalEntry[]
  /** How long a replay may stand still while something is held back for it, s; 60 when left out. */
  replaySeconds?: number
  /** Takes a line for people; on standard error when left out. */
  say?: (line: string) => void
}

const defaultReplaySeconds = 60

export type Submitted = { taskId: string; firstJobId: string | null }

/**
 * Where calls are made from: the driver of a workflow, or a job. It gives them their keys, sends them, and hears how
 * they end. What an earlier start of the same driver or job had asked for is in the journal, and is not asked for again.
 */
export class Scope {
  readonly #options: ScopeOptions
  readonly #outcomes: OutcomeStream
  readonly #keyOf = makeKeys()
  readonly #recordKeyOf = makeRecordKeys()
  readonly #draws = makeDraws(() => this.record('random', newSeed))
  #failure: { error: unknown } | undefined
  /** Who tells the program what comes. */
  readonly teller: Teller

  constructor(options: ScopeOptions) {
    const {
      client,
      workflowId,
      name,
      slot,
      journal = [],
      replaySeconds = defaultReplaySeconds,
      say = tellPeople,
    } = options
    this.#options = options
    this.#outcomes = new OutcomeStream({ client, workflowId, scope: name })
    const replay = journal.length > 0 ? new Replay(journal) : undefined
    const whose = name === 'driver' ? workflowId : name
    this.teller = new Teller({
      slot,
      replay,
      replaySeconds,
      say: (line) => say(`${whose}: ${line}`),
      diverged: (error) => this.fail(error),
    })
  }

  get workflowId(): string {
    return this.#options.workflowId
  }

  /** Makes a task of a use; resolves when the server has it. The further parts of a large map follow. */
  async submit(use: Use): Promise<Submitted> {
    if (this.#failure) throw this.#failure.error
    const { position } = this.teller.log
    let watch = this.teller.isReplaying ? undefined : this.#outcomes.begin()
    try {
      const address = await addressOf(use.definition)
      // Uses of one work come here in the order in which they were made, which is what their ordinals count; so before
      // any other wait.
      const key = this.#keyOf(
        address.name,
        address.export,
        use.common === undefined ? use.jobs : [use.common, ...use.jobs],
      )
      const known = await this.teller.ask(key, use.arrivals, `${address.name}#${address.export}`)
      if (known) {
        watch?.end()
        return await this.#attach(use, address, known)
      }
      watch ??= this.#outcomes.begin()
      return await this.#send(use, address, key, position, watch)
    } catch (error) {
      watch?.end()
      throw error
    }
  }

  async #send(use: Use, address: Address, key: string, position: number, watch: Watch): Promise<Submitted> {
    const first = partAt(use.jobs, 0)
    const { body, bundle } = await this.#taskOf(use, address, first)
    const wanted = this.#wanted(use, { work: body.name, callSite: use.callSite, bundle })
    const { epoch, client } = this.#options
    const task = await this.#write(position, async (seen) => {
      const call = { key, epoch, seen }
      const send = async () => {
        const task = await client.call('submitTask', {
          body: { ...body, call },
          key: this.#requestKey(key),
          trace: use.trace,
        })
        use.arrivals.name = task.taskId
        return task
      }
      return watch.submit(send, wanted)
    })
    this.#sendRest(use, task.taskId, task.known ? task.jobs : first.length, watch)
    return task
  }

  /** A call that the journal has: only what an earlier start had not come to send is sent, and only what has not ended is waited for. */
  async #attach(use: Use, address: Address, entry: JournalEntry): Promise<Submitted> {
    const task = { taskId: entry.taskId!, firstJobId: entry.firstJobId, jobs: entry.jobs, known: true }
    const bundle = address.kind === 'bundled' ? currentRuntime()?.bundle : undefined
    const { name = address.export } = use.options
    const wanted = this.#wanted(use, { work: name, callSite: use.callSite, bundle })
    if (entry.outcome) {
      wanted.receive(entry.outcome)
      return task
    }
    const watch = this.#outcomes.begin()
    await watch.submit(async () => task, wanted)
    this.#sendRest(use, task.taskId, entry.closed ? use.jobs.length : entry.jobs, watch)
    return task
  }

  /** Takes up a task that was submitted without this scope: what it gives is told from here on, and what it gave before too. */
  async follow(use: Use, taskId: `t${number}`, context: Omit<RemoteErrorContext, 'callSite'>): Promise<void> {
    const watch = this.#outcomes.begin()
    await watch.submit(async () => ({ taskId, known: true }), this.#wanted(use, { ...context, callSite: use.callSite }))
    watch.end()
  }

  #sendRest(use: Use, taskId: `t${number}`, from: number, watch: Watch): void {
    const rest = this.#addParts(taskId, use.jobs, from)
    void rest.catch((error) => watch.giveUp(taskId, error)).finally(watch.end)
  }

  /** A write to the journal takes along what the program had been told when it asked for it. */
  async #write<T>(position: number, write: (seen: string) => Promise<T>): Promise<T> {
    const { log } = this.teller
    const seen = await log.begin(position)
    let isStored = false
    try {
      const reply = await write(seen)
      isStored = true
      return reply
    } finally {
      log.end(position, isStored)
    }
  }

  /** The text under a key of this name that an earlier start had recorded; else that of `make`, which is recorded now. */
  async record(name: string, make: () => string | Promise<string>): Promise<string> {
    const source = new Single()
    const text = await this.#keep(name, make, source).catch((error) => source.fail(error))
    if (text !== undefined) source.come()
    await this.teller.wait(source, 'value')
    return text!
  }

  async #keep(name: string, make: () => string | Promise<string>, source: Single): Promise<string> {
    if (this.#failure) throw this.#failure.error
    const { position } = this.teller.log
    const key = this.#recordKeyOf(name)
    const known = await this.teller.ask(key, source, name)
    if (known) return known.value!
    const value = await make()
    if (Buffer.byteLength(value) > maxRecordBytes)
      throw fault(
        'value_too_large',
        `what ${name} gives has more than ${maxRecordBytes} bytes: make it a work, which may give more`,
      )
    const { client, workflowId, epoch } = this.#options
    const reply = await this.#write(position, (seen) =>
      client.call('keepRecord', { params: { id: workflowId }, body: { key, epoch, value, seen }, repeat: true }),
    )
    return reply.value
  }

  /** A number in [0, 1), or bytes, of a generator whose seed is recorded at its first use. */
  get draws() {
    return this.#draws
  }

  /** Resolves at a time that is recorded: who starts again waits for the rest of it. */
  async sleep(seconds: number): Promise<void> {
    const source = new Single()
    const until = Number(await this.#keep('sleep', () => encodeValue(Date.now() + seconds * 1000), source))
    const passed = new AbortController()
    void sleepUntil(until, passed.signal).then(() => source.come())
    try {
      await this.teller.wait(source, 'value')
    } finally {
      passed.abort()
    }
  }

  /** What kept the replay from its end, now that the program has ended: it did not ask for all that it had asked for. */
  get divergence(): Fault | undefined {
    const failure = this.#failure?.error
    if (this.#failure) return isFault(failure, 'journal_diverged') ? failure : undefined
    return this.teller.missing
  }

  /** Cancelling what has ended is no error. */
  async cancel(taskId: string): Promise<void> {
    try {
      await this.#options.client.call('cancelTask', { params: { id: taskId as `t${number}` }, body: {}, repeat: true })
    } catch (error) {
      if (!isFault(error, 'not_cancellable')) throw error
    }
  }

  /** No more can come of this scope: its calls fail with `error`, now and later. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#outcomes.fail(error)
    this.teller.fail(error)
  }

  async #taskOf({ options, jobs, common }: Use, address: Address, first: string[]) {
    const { client, workflowId } = this.#options
    const { after, name = address.export, ...needs } = options
    const [{ bundle, payload }, sentCommon, sentJobs, parents] = await Promise.all([
      payloadOf(address, client, needs),
      common === undefined ? undefined : sendText(client, common),
      this.#newJobs(first),
      taskIds(after),
    ])
    const body = {
      workflowId,
      name,
      payload,
      common: sentCommon,
      jobs: sentJobs,
      open: first.length < jobs.length,
      after: parents,
      ...needsOf(needs),
    }
    return { body, bundle }
  }

  /** Unique among all requests of the owner, and the same when this attempt of this scope repeats it. */
  #requestKey(key: string): string {
    const { workflowId, name, epoch } = this.#options
    return sha256([workflowId, name, epoch, key].join(' '))
  }

  #newJobs(texts: string[]): Promise<NewJob[]> {
    return Promise.all(texts.map(async (text) => ({ args: await sendText(this.#options.client, text) })))
  }

  /**
   * One after the other, since a task takes its jobs in the order of their indexes; a part that is repeated is known
   * by its first.
   */
  async #addParts(taskId: `t${number}`, jobs: string[], from: number): Promise<void> {
    const { client, name, epoch } = this.#options
    for (let firstIndex = from; firstIndex < jobs.length; ) {
      const part = partAt(jobs, firstIndex)
      const body = {
        firstIndex,
        jobs: await this.#newJobs(part),
        close: firstIndex + part.length === jobs.length,
        ...(name === 'driver' ? { epoch } : {}),
      }
      try {
        await client.call('addJobs', { params: { id: taskId }, body, repeat: true })
        firstIndex += part.length
      } catch (error) {
        // A request of an earlier start was still on its way when the journal was read.
        const next = isFault(error, 'jobs_out_of_order') ? Number(error.data?.nextIndex) : 0
        if (next > firstIndex) firstIndex = next
        else if (isFault(error, 'task_closed'))
          throw fault('task_closed', `${taskId} was cancelled before all of its ${jobs.length} jobs were sent`)
        else throw error
      }
    }
  }

  #wanted({ arrivals, jobs }: Use, context: RemoteErrorContext): Wanted {
    return {
      jobs: jobs.length,
      receive: (raw) => {
        try {
          arrivals.receive(this.#ended(raw, context))
        } catch (unreadable) {
          arrivals.fail(unreadable)
        }
      },
      fail: (error) => arrivals.fail(error),
    }
  }

  #ended(raw: RawOutcome, context: RemoteErrorContext): Arrived<unknown> {
    const { index, jobId, state } = raw
    if (state !== 'finished') {
      return {
        index,
        jobId,
        state: state === 'failed' ? 'failed' : 'cancelled',
        error: new RemoteError(raw, context),
      }
    }
    return { index, jobId, state, value: this.#valueOf(raw.value ?? { text: 'null' }) }
  }

  #valueOf(value: Value): unknown {
    if ('text' in value) return decodeValue(value.text)
    const { client, workflowId } = this.#options
    return new Stored(async () => decodeValue(await fetchText(client, value, workflowId)))
  }
}

/** What a job of a work runs; its sources are on the server afterwards. */
export const payloadOf = async (address: Address, client: Client, options: EnvironmentOptions) => {
  const [bundle, environment] = await Promise.all([
    bundleFor(address, client),
    environmentOf(options, folderOf(address.file)),
  ])
  const { hash, module } = bundle
  const found = { bundle: hash, module, export: address.export }
  return { bundle, payload: { kind: 'function' as const, language: 'node' as const, ...found, environment } }
}

const tellPeople = (line: string): void => void process.stderr.write(`culm: ${line}\n`)

const newSeed = (): string => encodeValue(randomBytes(32).toString('hex'))

/** Timers hold no more than this, ms: longer sleeps are several. */
const longestTimerMs = 2_000_000_000

/** A time that is past has come at once. */
const sleepUntil = async (at: number, signal: AbortSignal): Promise<void> => {
  for (let left = at - Date.now(); left > 0 && !signal.aborted; left = at - Date.now())
    await sleep(Math.min(left, longestTimerMs), signal)
}

/** The jobs from `from` on that go in one request. */
const partAt = (texts: string[], from: number): string[] => {
  let end = from
  for (let bytes = 0; end < texts.length && end - from < jobsPerPart; end++) {
    bytes += Buffer.byteLength(texts[end]!)
    if (bytes > bytesPerPart && end > from) break
  }
  return texts.slice(from, end)
}

const taskIds = async (after: readonly After[] | undefined): Promise<`t${number}`[] | undefined> => {
  if (!after || after.length === 0) return undefined
  return Promise.all(
    after.map(async (parent) => (typeof parent === 'string' ? parent : await parent.taskId) as `t${number}`),
  )
}
