/**
 * The runner for Node: a warm process that runs functions of one bundle, one job at a time. `contract/runner.ts` says how it and its pilot talk.
 * Built into one file; it imports next to nothing, since its start is part of the first call of every bundle.
 */
import { Socket } from 'node:net'
import { inspect } from 'node:util'
import { fault } from '../../contract/faults.ts'
import type { RemoteError } from '../../contract/jobs.ts'
import {
  endMark,
  type FromRunner,
  type Hello,
  type Later,
  type Run,
  type Task,
  type Text,
  type ToRunner,
} from '../../contract/runner.ts'
import type { Progress } from '../../contract/told.ts'
import { encodeValue } from '../../contract/values.ts'
import { StopWatch } from '../../lib/stopWatch.ts'
import { makeLineReader } from '../lines.ts'
import { type Callable, knownFunction, loadFunction, NotLoaded } from './functions.ts'
import { cpuMeter, peakMemory, shortMs, toMicroseconds } from './meters.ts'
import { markBeforeWords, marks, writeAtOnce } from './printed.ts'
import { remoteErrorOf } from './remoteError.ts'
import { argumentsOf, kept } from './texts.ts'
import { gatherTold, type ToldWords } from './told.ts'
import { holdsFiles, whereWeAre } from './workingFolder.ts'

/** What the SDK finds at `globalThis[Symbol.for('culm.runtime')]` in a runner. */
export type Runtime = {
  /** The bundle's module is being imported: calls made now come from its top level, and are refused. */
  importing: boolean
  job: { jobId: string; taskId: string; workflowId: string; index: number; attempt: number; token: string }
  serverUrl: string
  bundle: { hash: string; folder: string }
  /** The working folder of the job, and whether what an earlier attempt has kept lies in there. */
  folder: string
  restored: boolean
  /** Numbers by name at a step. */
  report(step: number, values: Record<string, number>): void
  progress(progress: Progress): void
  /** Until the limit of this attempt, s; undefined when it has none. */
  remainingSeconds(): number | undefined
  /** The job waits for its calls, and for nothing else. */
  awaiting(): void
  /** What it waited for has come; resolves when it has a slot again. */
  woken(): Promise<void>
}

type Queued = { run: Run; task: Task }
type Job = Queued & { runtime: Runtime; told: ToldWords; strayed: (error: unknown) => void }

const runtimeKey = Symbol.for('culm.runtime')
const callbackKey = Symbol.for('culm.callback')
const holder = globalThis as unknown as Record<symbol, Runtime>

const channel = new Socket({ fd: 3 })
let hello: Hello | null = null
let task: Task | null = null
let current: Job | null = null
let queue: Queued[] = []
let working = false
let onResumed = () => {}

const start = () => {
  // Nothing to speak of for a small bundle; with one of 2.8 MB the first error of the process takes 0.3 s (measured).
  process.setSourceMapsEnabled(true)
  for (const stream of [process.stdout, process.stderr]) {
    writeAtOnce(stream)
    markBeforeWords(stream)
  }
  process.on('uncaughtException', stray)
  process.on('unhandledRejection', stray)
  channel.on(
    'data',
    makeLineReader((line) => receive(JSON.parse(line) as ToRunner)),
  )
  // The pilot has closed it, or is no more: nobody would hear of what goes on here.
  channel.on('end', () => process.exit(0))
  channel.on('error', () => process.exit(0))
}

const receive = (message: ToRunner) => {
  if (message.t === 'run') {
    queue.push({ run: message, task: task! })
    if (!working) void work()
  } else if (message.t === 'task') task = message
  else if (message.t === 'skip') giveBack(new Set(message.jobIds))
  else if (message.t === 'resumed') {
    if (message.jobId === current?.run.jobId) onResumed()
  } else {
    hello = message
    send({ t: 'ready' })
  }
}

const send = (message: FromRunner) => channel.write(`${JSON.stringify(message)}\n`)

const giveBack = (wanted: ReadonlySet<string> | 'all') => {
  const isWanted = ({ run }: Queued) => wanted === 'all' || wanted.has(run.jobId)
  const jobIds = queue.filter(isWanted).map(({ run }) => run.jobId)
  queue = queue.filter((queued) => !isWanted(queued))
  if (jobIds.length > 0) send({ t: 'skipped', jobIds })
}

/**
 * The jobs that are here, one after the other. The `done` of each says that the next has begun; after one that took its time the pilot is heard first, since
 * it may have given the others up: it does so only when it has heard nothing for a second.
 */
const work = async () => {
  working = true
  peakMemory.reset()
  cpuMeter.reset()
  let heardMs = performance.now()
  for (let next = queue.shift(); next; next = queue.shift()) {
    await runJob(next)
    if (performance.now() - heardMs < shortMs) continue
    await new Promise((resolve) => setImmediate(resolve))
    peakMemory.reset()
    heardMs = performance.now()
  }
  working = false
}

const runJob = async ({ run, task }: Queued) => {
  nameTrace(run.trace)
  const beganMs = performance.now()
  let last = false
  const astray = new Promise<never>((_, reject) => {
    const told = gatherTold({ jobId: run.jobId, attempt: run.attempt }, send)
    current = { run, task, told, runtime: runtimeOf(run, task, told), strayed: reject }
  })
  astray.catch(() => {
    last = true
  })
  const end = await outcomeOf(current!, astray)
  current!.told.end()
  current = null
  const ms = performance.now() - beganMs
  const usage = {
    wallSeconds: toMicroseconds(ms / 1000),
    cpuSeconds: toMicroseconds(cpuMeter.seconds(ms)),
    maxRssMb: peakMemory.recentMb(ms),
  }
  // What cannot be loaded, the next job cannot load either.
  const fit = !last && !holdsFiles(run.folder) && (end.ok || end.cause !== 'bundle')
  if (!fit) giveBack('all')
  send({ t: 'done', jobId: run.jobId, attempt: run.attempt, usage, last, ...end })
  marks.ended(endMark(run.jobId, run.attempt), ms >= shortMs || queue.length === 0)
}

/** For what the payload itself traces, and for the calls that it makes. Most jobs have none, and the look at what is there is what they pay. */
let trace: string | undefined
const nameTrace = (wanted: string | undefined) => {
  if (wanted === trace) return
  trace = wanted
  if (wanted === undefined) delete process.env.TRACEPARENT
  else process.env.TRACEPARENT = wanted
}

type End =
  | { ok: true; value: Text }
  | { ok: true; later: Later }
  | { ok: false; cause: 'user' | 'bundle'; error: RemoteError }

const outcomeOf = async (job: Job, astray: Promise<never>): Promise<End> => {
  const { run, task } = job
  try {
    if (whereWeAre() !== run.folder) process.chdir(run.folder)
    holder[runtimeKey] = job.runtime
    const call = knownFunction(task) ?? (await Promise.race([loaded(job), astray]))
    const given = call(...argumentsOf(task, run))
    const value = isThenable(given) ? await Promise.race([given, astray]) : given
    const later = laterOf(value, run)
    return later ? { ok: true, later } : { ok: true, value: kept(encodeValue(value), run.folder) }
  } catch (error) {
    if (error instanceof NotLoaded) return { ok: false, cause: 'bundle', error: error.told }
    return { ok: false, cause: 'user', error: remoteErrorOf(error) }
  }
}

/** The function of the job, once its module is imported. */
const loaded = async ({ runtime, task }: Job): Promise<Callable> => {
  runtime.importing = true
  const found = await loadFunction(task, hello!.bundleFolder)
  runtime.importing = false
  return found
}

/** What the SDK's callbacks bear. */
type CallbackMark = { jobId: string; attempt: number; expiresAt: string }

/** A job that returns its callback has its value posted there later. */
const laterOf = (value: unknown, { jobId, attempt }: Run): Later | undefined => {
  const callback = (value as { [callbackKey]?: CallbackMark } | null | undefined)?.[callbackKey]
  if (callback && (callback.jobId !== jobId || callback.attempt !== attempt))
    throw fault('callback_misplaced', `it returned a callback of ${callback.jobId} (attempt ${callback.attempt})`)
  return callback && { expiresAt: callback.expiresAt }
}

const isThenable = (value: unknown): boolean =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'

const runtimeOf = (run: Run, task: Task, told: ToldWords): Runtime => {
  const { jobId, index, attempt, token, folder, restored = false } = run
  const { taskId, workflowId, bundle, wallSeconds } = task
  const inSlot = new StopWatch()
  inSlot.go()
  return {
    importing: false,
    job: { jobId, taskId, workflowId, index, attempt, token },
    serverUrl: hello!.serverUrl,
    bundle: { hash: bundle, folder: hello!.bundleFolder },
    folder,
    restored,
    report: told.metrics,
    progress: told.progress,
    remainingSeconds: () => (wallSeconds === null ? undefined : Math.max(0, wallSeconds - inSlot.ms / 1000)),
    awaiting: () => {
      giveBack('all')
      inSlot.halt()
      send({ t: 'awaiting', jobId })
    },
    woken: () =>
      new Promise((resolve) => {
        onResumed = () => {
          inSlot.go()
          resolve()
        }
        send({ t: 'woken', jobId })
      }),
  }
}

const stray = (error: unknown) => {
  if (current) current.strayed(error)
  else process.stderr.write(`an error outside any job: ${inspect(error)}\n`)
}

start()
