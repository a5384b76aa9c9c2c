import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import type { RemoteError } from '../contract/jobs.ts'
import type { Done, FromRunner, Hello, Run, ToRunner } from '../contract/runner.ts'
import { messageOf } from '../lib/fault.ts'
import type { Attempt } from './attempt.ts'
import { Child, type Exit, readInto } from './child.ts'
import { remoteErrorOf } from './failure.ts'
import { makeLineReader } from './lines.ts'
import type { LogOutbox } from './logOutbox.ts'
import { OutputSplitter } from './outputSplitter.ts'
import { WorkFolder } from './workFolder.ts'

/** How a job in a runner ended: with its word, or with the end of the process. `ready`: it had come so far as to take jobs. */
export type RunEnd = { kind: 'done'; done: Done } | { kind: 'exit'; exit: Exit; ready: boolean; why: string | null }

type Busy = { run: Run; attempt: Pick<Attempt, 'awaits' | 'wakes'>; end: (end: RunEnd) => void }

export type RunnerStart = {
  program: string
  args: string[]
  work: string
  env: Record<string, string>
  hello: Omit<Hello, 't'>
  logs: LogOutbox
}

/** An interpreter on a slow network disk may take long to load its libraries; one that says nothing for so long never will, ms. */
const readyMs = 120_000

/** What a runner does once it has been told to go, before it is killed, ms. */
const farewellMs = 2000

/**
 * A warm process that runs functions of one bundle for one owner, one at a time. It is told by lines of JSON over its file descriptor 3
 * (`contract/runner.ts`); what it prints belongs to its job. It ends by itself when that descriptor is closed: also when this pilot is killed.
 */
export class Runner {
  readonly #child: Child
  readonly #channel: Duplex | undefined
  readonly #work: WorkFolder
  readonly #stdout = new OutputSplitter()
  readonly #stderr = new OutputSplitter()
  readonly #unready: NodeJS.Timeout
  #busy: Busy | null = null
  #ready = false
  #broken: string | null = null
  #exit: Exit | null = null

  /** `work`: where its jobs' working directories lie, and how their names begin. */
  constructor({ program, args, work, env, hello, logs }: RunnerStart) {
    this.#work = new WorkFolder(work)
    this.#child = new Child(program, args, { cwd: dirname(work), env, channel: true })
    this.#channel = this.#child.process?.stdio[3] as Duplex | undefined
    this.#unready = setTimeout(() => this.#breakOff(`it was not ready after ${readyMs / 1000} s`), readyMs)
    void this.#child.exited.then((exit) => this.#exited(exit))
    if (!this.#child.process || !this.#channel) return
    readInto(this.#child.process.stdout!, (chunk) => this.#stdout.write(chunk), logs)
    readInto(this.#child.process.stderr!, (chunk) => this.#stderr.write(chunk), logs)
    this.#listen(this.#channel)
    this.#send({ t: 'hello', ...hello })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Whether it can take another job. */
  get usable(): boolean {
    return this.#child.running && this.#broken === null
  }

  /** The working directory of its job, or of the next one. */
  folder(): string {
    return this.#work.open()
  }

  /** Makes ready for another job. */
  tidy(): void {
    this.#work.tidy()
  }

  exited(): Promise<Exit> {
    return this.#child.exited
  }

  /** Runs one job, and tells its attempt as the payload starts and ends to wait for calls of its own. */
  run(run: Omit<Run, 't'>, attempt: Pick<Attempt, 'output' | 'awaits' | 'wakes'>): Promise<RunEnd> {
    this.#stdout.expect(attempt.output.stdout)
    this.#stderr.expect(attempt.output.stderr)
    return new Promise((end) => {
      this.#busy = { run: { t: 'run', ...run }, attempt, end }
      if (this.#exit) this.#exited(this.#exit)
      else this.#send(this.#busy.run)
    })
  }

  resume(): void {
    if (this.#busy) this.#send({ t: 'resumed', jobId: this.#busy.run.jobId })
  }

  /** Ends it and all that it started; at once when `graceMs` is 0. */
  end(graceMs: number): void {
    this.#child.end(graceMs)
  }

  /** Lets an idle runner go: it ends when its descriptor closes, and is made to if it does not. */
  async dismiss(): Promise<void> {
    this.#channel?.end()
    const timer = setTimeout(() => this.#child.end(0), farewellMs)
    await this.#child.exited
    clearTimeout(timer)
  }

  #send(message: ToRunner): void {
    this.#channel?.write(`${JSON.stringify(message)}\n`)
  }

  #listen(channel: Duplex): void {
    channel.on('error', () => {}) // it has gone: `exited` tells
    // A process closes it by ending. One that lives on without it would never say how its job ended.
    channel.on('end', () => setTimeout(() => this.#breakOff('it closed its channel'), farewellMs).unref())
    const read = makeLineReader((line) => this.#heard(JSON.parse(line) as FromRunner))
    channel.on('data', (chunk: Buffer) => {
      try {
        if (this.#broken === null) read(chunk)
      } catch (error) {
        this.#breakOff(`it did not keep to the protocol: ${messageOf(error)}`)
      }
    })
  }

  /** The process belongs to the payload, so what comes from it is taken with care. */
  #heard(message: FromRunner): void {
    if (message.t === 'ready') {
      this.#ready = true
      clearTimeout(this.#unready)
      return
    }
    const busy = this.#busy
    if (!busy || message.jobId !== busy.run.jobId)
      throw new Error(`${message.t} for ${message.jobId}, which it does not run`)
    if (message.t === 'awaiting') busy.attempt.awaits()
    else if (message.t === 'woken') busy.attempt.wakes()
    else if (message.t === 'done' && message.attempt === busy.run.attempt)
      this.#finish({ kind: 'done', done: checkedDone(message) })
    else throw new Error(`an unknown message (${String(message.t)})`)
  }

  #finish(end: RunEnd): void {
    const busy = this.#busy
    this.#busy = null
    busy?.end(end)
  }

  #breakOff(why: string): void {
    if (!this.#child.running) return
    this.#broken ??= why
    this.#child.end(0)
  }

  #exited(exit: Exit): void {
    this.#exit = exit
    clearTimeout(this.#unready)
    this.#stdout.finish()
    this.#stderr.finish()
    this.#channel?.destroy()
    this.#work.remove()
    this.#finish({ kind: 'exit', exit, ready: this.#ready, why: this.#broken })
  }
}

const checkedDone = (done: Done): Done => {
  const { t, jobId, attempt, usage } = done
  const head = {
    t,
    jobId,
    attempt,
    last: done.last === true,
    usage: typeof usage === 'object' ? checkedUsage(usage) : undefined,
  }
  if (done.ok === true) {
    const value = done.value as { text?: unknown; file?: unknown }
    if (typeof value?.text === 'string') return { ...head, ok: true, value: { text: value.text } }
    if (typeof value?.file === 'string') return { ...head, ok: true, value: { file: value.file } }
    throw new Error('done without a value')
  }
  const { type, message, stack } = (done.error ?? {}) as Partial<RemoteError>
  const error = remoteErrorOf({
    type: String(type),
    message: String(message),
    stack: stack === undefined ? undefined : String(stack),
  })
  return { ...head, ok: false, cause: done.cause === 'bundle' ? 'bundle' : 'user', error }
}

const checkedUsage = (usage: Record<string, unknown>): Done['usage'] =>
  Object.fromEntries(
    ['cpuSeconds', 'maxRssMb'].flatMap((key) => (Number.isFinite(usage[key]) ? [[key, usage[key] as number]] : [])),
  )
