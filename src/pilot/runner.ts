import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import type { RemoteError, Usage } from '../contract/jobs.ts'
import type { Done, FromRunner, Hello, Run, Task, Told, ToRunner } from '../contract/runner.ts'
import { metrics, progress } from '../contract/told.ts'
import { messageOf } from '../lib/fault.ts'
import type { Attempt } from './attempt.ts'
import { Child, type Exit, readInto } from './child.ts'
import { remoteErrorOf } from './failure.ts'
import type { Guard } from './guard.ts'
import { makeLineReader } from './lines.ts'
import type { LogOutbox } from './logOutbox.ts'
import { OutputSplitter } from './outputSplitter.ts'
import type { SecretFiles } from './taskSecrets.ts'
import type { As } from './workFolder.ts'
import { WorkFolder } from './workFolder.ts'

/**
 * How a job in a runner ended: with its word, or with the end of the process (`ready`: it had come so far as to take jobs). `skipped`: it did not begin here,
 * and will not.
 */
export type RunEnd =
  | { kind: 'done'; done: Done }
  | { kind: 'exit'; exit: Exit; ready: boolean; why: string | null }
  | { kind: 'skipped' }

type Queued = {
  run: Run
  attempt: Pick<Attempt, 'awaits' | 'wakes' | 'tells' | 'output'>
  begin: () => void
  end: (end: RunEnd) => void
}

export type RunnerStart = {
  program: string
  args: string[]
  work: string
  env: Record<string, string>
  guard: Guard
  /** Whose its folders are. */
  as: As
  /** It has one job, and starts where that works: what is run after it finds what it left. `prepared`: as of `folder`. */
  startsIn?: { prepared: string | undefined }
  /** Files that are there while it has jobs. */
  secrets: SecretFiles | null
  hello: Omit<Hello, 't'>
  logs: LogOutbox
}

/** An interpreter on a slow network disk may take long to load its libraries; one that says nothing for so long never will, ms. */
const readyMs = 120_000

/**
 * A runner that says nothing for so long after it was asked to give jobs back is in the middle of one that keeps it busy, ms. It will see the request before it
 * begins another, so they can be given to others now.
 */
const silentMs = 1000

/** While it has a line of short jobs its words are taken together, ms: each by itself would wake this process up. */
const restMs = 2

/** What a runner does once it has been told to go, before it is killed, ms. */
const farewellMs = 2000

/**
 * A warm process that runs functions of one bundle for one owner, one at a time; further jobs may wait in it. It is told by lines of JSON over its file
 * descriptor 3 (`contract/runner.ts`); what it prints belongs to its job. It ends by itself when that descriptor is closed: also when this pilot is killed.
 */
export class Runner {
  readonly #child: Child
  readonly #channel: Duplex | undefined
  #unsent = ''
  readonly #work: WorkFolder
  readonly #startedIn: string | undefined
  readonly #secrets: SecretFiles | null
  readonly #stdout: OutputSplitter
  readonly #stderr: OutputSplitter
  readonly #unready: NodeJS.Timeout
  /** The first of them runs. */
  #queue: Queued[] = []
  /** The task that it was told of last. */
  #taskId: string | null = null
  #heardMs = performance.now()
  /** Jobs that were given to others while it said nothing: should it have begun one after all (it was frozen on the way), that counts for nothing. */
  readonly #givenUp = new Set<string>()
  #ready = false
  #broken: string | null = null
  #leaving = false
  #exit: Exit | null = null

  /** `work`: where its jobs' working directories lie, and how their names begin. */
  constructor({ program, args, work, env, guard, as, startsIn, secrets, hello, logs }: RunnerStart) {
    this.#work = new WorkFolder(work, as)
    this.#secrets = secrets
    this.#stdout = new OutputSplitter('stdout', { ofOneJob: startsIn !== undefined })
    this.#stderr = new OutputSplitter('stderr', { ofOneJob: startsIn !== undefined })
    this.#startedIn = startsIn && this.#work.open(startsIn.prepared)
    const cwd = this.#startedIn ?? dirname(work)
    this.#child = new Child(program, args, { cwd, env, guard, channel: true })
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

  get apart(): string | undefined {
    return this.#child.apart
  }

  /** Whether it can take another job. */
  get usable(): boolean {
    return this.#child.running && this.#broken === null
  }

  /** The working directory of its job, or of the next one: an empty one, or `prepared`, which is moved there. */
  folder(prepared?: string): string {
    this.#secrets?.place()
    return this.#startedIn ?? this.#work.open(prepared)
  }

  /** Makes ready for another job. */
  tidy(): void {
    this.#work.tidy()
    this.#secrets?.clear()
  }

  exited(): Promise<Exit> {
    return this.#child.exited
  }

  /** Runs one job, after those that it has; calls `begin` when it begins, and tells its attempt when the payload starts and ends to wait for calls of its own. */
  run(task: Task, run: Run, attempt: Queued['attempt'], begin: () => void): Promise<RunEnd> {
    this.#stdout.expect(attempt.output)
    this.#stderr.expect(attempt.output)
    return new Promise((end) => {
      this.#queue.push({ run, attempt, begin, end })
      if (this.#queue.length === 1) begin()
      if (this.#exit) return this.#exited(this.#exit)
      if (this.#taskId !== task.taskId) this.#send(task)
      this.#taskId = task.taskId
      this.#send(run)
    })
  }

  /** Asks for jobs that have not begun: their `run` resolves with `skipped`, unless they begin before the request is seen. */
  skip(jobIds: string[]): void {
    this.#send({ t: 'skip', jobIds })
    const giveUp = () => {
      const left = this.#queue.slice(1).filter(({ run }) => jobIds.includes(run.jobId))
      if (left.length === 0) return
      if (performance.now() - this.#heardMs < silentMs) return void setTimeout(giveUp, silentMs).unref()
      for (const { run } of left) this.#givenUp.add(run.jobId)
      this.#skipped([...this.#givenUp])
    }
    setTimeout(giveUp, silentMs).unref()
  }

  resume(): void {
    const [first] = this.#queue
    if (first) this.#send({ t: 'resumed', jobId: first.run.jobId })
  }

  /** Ends it and all that it started; at once when `graceMs` is 0. */
  end(graceMs: number): void {
    this.#child.end(graceMs)
  }

  /** Lets an idle runner go: it ends when its descriptor closes, and is made to if it does not. */
  async dismiss(): Promise<void> {
    const timer = setTimeout(() => this.#child.end(0), farewellMs)
    await this.leave()
    clearTimeout(timer)
  }

  /** The same, in its own time: something is run after the job. */
  async leave(): Promise<void> {
    this.#leaving = true
    this.#flush()
    this.#channel?.end()
    await this.#child.exited
  }

  /** What is said in one turn goes in one piece: a write for each of many short jobs would take longer than they do. */
  #send(message: ToRunner): void {
    if (this.#unsent === '') queueMicrotask(() => this.#flush())
    this.#unsent += `${JSON.stringify(message)}\n`
  }

  #flush(): void {
    if (this.#unsent !== '') this.#channel?.write(this.#unsent)
    this.#unsent = ''
  }

  #listen(channel: Duplex): void {
    channel.on('error', () => {}) // it has gone: `exited` tells
    // A process closes it by ending. One that lives on without it would never say how its job ended.
    channel.on('end', () => {
      if (!this.#leaving) setTimeout(() => this.#breakOff('it closed its channel'), farewellMs).unref()
    })
    const read = makeLineReader((line) => this.#heard(JSON.parse(line) as FromRunner))
    channel.on('data', (chunk: Buffer) => {
      try {
        if (this.#broken === null) read(chunk)
        if (this.#queue.length > 1) pauseFor(channel, restMs)
      } catch (error) {
        this.#breakOff(`it did not keep to the protocol: ${messageOf(error)}`)
      }
    })
  }

  /** The process belongs to the payload, so what comes from it is taken with care. */
  #heard(message: FromRunner): void {
    this.#heardMs = performance.now()
    if (message.t === 'ready') {
      this.#ready = true
      clearTimeout(this.#unready)
      return
    }
    if (message.t === 'skipped') {
      this.#skipped(checkedIds(message.jobIds))
      return
    }
    const [first] = this.#queue
    if (this.#givenUp.has(message.jobId)) return
    if (!first || message.jobId !== first.run.jobId)
      throw new Error(`${message.t} for ${message.jobId}, which it does not run`)
    if (message.t === 'awaiting') first.attempt.awaits()
    else if (message.t === 'woken') first.attempt.wakes()
    else if (message.t === 'told' && message.attempt === first.run.attempt) first.attempt.tells(checkedTold(message))
    else if (message.t === 'done' && message.attempt === first.run.attempt)
      this.#finish({ kind: 'done', done: checkedDone(message) })
    else throw new Error(`an unknown message (${String(message.t)})`)
  }

  /** The next has begun when the first is done: it takes its place before that is given away. */
  #finish(end: RunEnd): void {
    const first = this.#queue.shift()
    this.#queue[0]?.begin()
    first?.end(end)
  }

  /** The last one first: whoever puts them back at the head of a line keeps their order. */
  #skipped(jobIds: string[]): void {
    const wanted = new Set(jobIds)
    const [skipped, left] = [true, false].map((is) => this.#queue.filter(({ run }) => wanted.has(run.jobId) === is))
    const wasFirst = this.#queue[0]
    this.#queue = left!
    this.#taskId = null
    if (left![0] && left![0] !== wasFirst) left![0].begin()
    for (const { attempt, end } of skipped!.reverse()) {
      this.#stdout.forget(attempt.output)
      this.#stderr.forget(attempt.output)
      end({ kind: 'skipped' })
    }
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
    this.#secrets?.remove()
    this.#skipped(this.#queue.slice(1).map(({ run }) => run.jobId))
    this.#finish({ kind: 'exit', exit, ready: this.#ready, why: this.#broken })
  }
}

const pauseFor = (stream: Duplex, ms: number): void => {
  stream.pause()
  setTimeout(() => stream.resume(), ms)
}

const checkedDone = (done: Done): Done => {
  const { t, jobId, attempt } = done
  const last = done.last === true
  const usage = checkedUsage(done.usage)
  if (done.ok === true && 'later' in done)
    return { t, jobId, attempt, last, usage, ok: true, later: { expiresAt: checkedTime(done.later) } }
  if (done.ok === true) {
    const { text, file } = (done.value ?? {}) as { text?: unknown; file?: unknown }
    if (typeof text === 'string') return { t, jobId, attempt, last, usage, ok: true, value: { text } }
    if (typeof file === 'string') return { t, jobId, attempt, last, usage, ok: true, value: { file } }
    throw new Error('done without a value')
  }
  const { type, message, stack } = (done.error ?? {}) as Partial<RemoteError>
  const error = remoteErrorOf({
    type: String(type),
    message: String(message),
    stack: stack === undefined ? undefined : String(stack),
  })
  return { t, jobId, attempt, last, usage, ok: false, cause: done.cause === 'bundle' ? 'bundle' : 'user', error }
}

const checkedTime = (later: { expiresAt?: unknown }): string => {
  const at = new Date(String(later?.expiresAt))
  if (Number.isNaN(at.getTime())) throw new Error('done later, without a time')
  return at.toISOString()
}

const checkedTold = ({ t, jobId, attempt, ...told }: Told): Told => ({
  ...{ t, jobId, attempt },
  metrics: told.metrics?.map((some) => metrics.parse(some)),
  progress: told.progress && progress.parse(told.progress),
})

const checkedIds = (ids: unknown): string[] => {
  if (Array.isArray(ids) && ids.every((id) => typeof id === 'string')) return ids
  throw new Error('skipped without a list of jobs')
}

const checkedUsage = (usage: unknown): Usage => {
  const { wallSeconds, cpuSeconds, maxRssMb } = (usage ?? {}) as Record<string, unknown>
  return { wallSeconds: finite(wallSeconds), cpuSeconds: finite(cpuSeconds), maxRssMb: finite(maxRssMb) }
}

const finite = (value: unknown): number | undefined => (Number.isFinite(value) ? (value as number) : undefined)
