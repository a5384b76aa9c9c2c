/**
 * The runner for Node: a warm process that runs functions of one bundle, one job at a time. `contract/runner.ts` says how it and its pilot talk.
 * Built into one file; it imports next to nothing, since its start is part of the first call of every bundle.
 */
import { openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { fault } from '../../contract/faults.ts'
import type { RemoteError } from '../../contract/jobs.ts'
import {
  type Arguments,
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
import { decodeValue, encodeValue } from '../../contract/values.ts'
import { StopWatch } from '../../lib/stopWatch.ts'
import { makeLineReader } from '../lines.ts'
import { gatherTold, type ToldWords } from './told.ts'

/** As in `contract/base.ts`, which would bring all schemas with it. */
const maxInlineBytes = 1_000_000

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

/** Of jobs shorter than this many may pass without a look at the pilot's words, the memory, and what native code has printed, ms. */
const shortMs = 5

const runtimeKey = Symbol.for('culm.runtime')
const workKey = Symbol.for('culm.work')
const callbackKey = Symbol.for('culm.callback')
const self = fileURLToPath(import.meta.url)

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

/**
 * Between Node processes a pipe is a socket, which Node writes to when it gets round to it; `process.exit` would lose what waits (9.7 of 10 MB, measured).
 * Blocking writes lose nothing, and hold up who prints faster than the pilot reads.
 */
const writeAtOnce = (stream: NodeJS.WriteStream) => {
  const { _handle: handle } = stream as unknown as { _handle?: { setBlocking?(on: boolean): void } }
  handle?.setBlocking?.(true)
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

/**
 * What jobs compute, s. To ask the system takes as long as a trivial job, so of one that takes less than a millisecond all its time counts, and is taken off what the next
 * longer one is found to have used.
 */
const cpuMeter = (() => {
  const used = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  let last = 0
  let short = 0
  return {
    reset: () => {
      last = used()
      short = 0
    },
    /** Of the job that has just ended, after so many ms. */
    seconds: (ms: number) => {
      if (ms < 1) {
        short += ms / 1000
        return ms / 1000
      }
      const before = last + short
      cpuMeter.reset()
      return Math.max(0, last - before)
    },
  }
})()

/** The peak of this process since the last reset, MB. */
const peakMemory = {
  lastMb: 0,
  readMs: Number.NEGATIVE_INFINITY,
  reset: () => peakMeter.reset(),
  /** For a job of so many ms. Reading takes 20 µs, so what was read lately does for short ones. */
  recentMb(ms: number): number {
    const now = performance.now()
    if (ms >= shortMs || now - this.readMs > 100) [this.lastMb, this.readMs] = [peakMeter.readMb(), now]
    return this.lastMb
  },
}

/**
 * Linux forgets the peak when told to. Elsewhere it is what the process has now; the peak of its whole life, which `process.resourceUsage` has, may be that of
 * another job.
 */
const peakMeter = (() => {
  try {
    const [status, forget] = [openSync('/proc/self/status', 'r'), openSync('/proc/self/clear_refs', 'w')]
    const text = Buffer.alloc(4096)
    const readMb = () =>
      (Number(/VmHWM:\s+(\d+)/.exec(text.toString('latin1', 0, readSync(status, text, 0, 4096, 0)))![1]) * 1024) / 1e6
    return { reset: () => void writeSync(forget, '5', 0), readMb }
  } catch {
    return { reset: () => {}, readMb: () => process.memoryUsage.rss() / 1e6 }
  }
})()

/**
 * What was printed, and by whom. A job's mark is written when it printed, when it took long enough for native code to have printed, or when no other follows;
 * those of short silent ones before it need none.
 */
const marks = (() => {
  let missing: string | null = null
  let printed = false
  return {
    /** A job prints: what the ones before it printed, if anything, ends here. */
    words: () => {
      printed = true
      if (missing === null) return
      const mark = missing
      missing = null
      for (const stream of [process.stdout, process.stderr]) stream.write(mark)
    },
    ended: (mark: string, isDue: boolean) => {
      missing = mark
      if (isDue || printed) marks.words()
      printed = false
    },
  }
})()

const markBeforeWords = (stream: NodeJS.WriteStream) => {
  const write = stream.write.bind(stream) as (...words: unknown[]) => boolean
  stream.write = ((...words: unknown[]) => {
    marks.words()
    return write(...words)
  }) as typeof stream.write
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

/** What is smaller says nothing, but is written and read again by everybody on the way. */
const toMicroseconds = (seconds: number): number => Math.round(seconds * 1e6) / 1e6

/** For what the payload itself traces, and for the calls that it makes. Most jobs have none, and the look at what is there is what they pay. */
let trace: string | undefined
const nameTrace = (wanted: string | undefined) => {
  if (wanted === trace) return
  trace = wanted
  if (wanted === undefined) delete process.env.TRACEPARENT
  else process.env.TRACEPARENT = wanted
}

/** So long after a change of a folder another one is sure to bear another time: file systems count in steps of some ms. */
const settledMs = 1000

/** An empty folder, and when it was changed last. */
let empty = { folder: '', changedMs: 0 }

/** What a job left would be found by the next one that runs there. A folder that has not changed since it was seen empty is empty. */
const holdsFiles = (folder: string): boolean => {
  try {
    const changedMs = statSync(folder).mtimeMs
    if (folder === empty.folder && changedMs === empty.changedMs) return false
    if (readdirSync(folder).length > 0) return true
    if (Date.now() - changedMs > settledMs) empty = { folder, changedMs }
    return false
  } catch {
    return true // removed, or shut
  }
}

type End =
  | { ok: true; value: Text }
  | { ok: true; later: Later }
  | { ok: false; cause: 'user' | 'bundle'; error: RemoteError }

const outcomeOf = async (job: Job, astray: Promise<never>): Promise<End> => {
  const { run, task } = job
  try {
    if (whereWeAre() !== run.folder) process.chdir(run.folder)
    const call = known(job) ?? (await Promise.race([loaded(job), astray]))
    const given = call(...argumentsOf(task, run))
    const value = isThenable(given) ? await Promise.race([given, astray]) : given
    const later = laterOf(value, run)
    return later ? { ok: true, later } : { ok: true, value: kept(encodeValue(value), run.folder) }
  } catch (error) {
    if (error instanceof NotLoaded) return { ok: false, cause: 'bundle', error: error.told }
    return { ok: false, cause: 'user', error: told(error) }
  }
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

class NotLoaded extends Error {
  readonly told: RemoteError

  constructor(error: RemoteError) {
    super(error.message)
    this.told = error
  }
}

type Callable = (...args: unknown[]) => unknown

const functions = new Map<string, Callable>()
const nameOf = ({ task }: Queued): string => `${task.module}#${task.export}`

const holder = globalThis as unknown as Record<symbol, Runtime>

/** The function of a job whose like has run here before: a module that is imported again costs more than most short jobs. */
const known = (job: Job): Callable | undefined => {
  holder[runtimeKey] = job.runtime
  return functions.get(nameOf(job))
}

/** The function of the job. Its module is imported once in the life of this process. */
const loaded = async (job: Job): Promise<Callable> => {
  const { runtime, task } = job
  runtime.importing = true
  const found = exportOf(await imported(task), task)
  runtime.importing = false
  functions.set(nameOf(job), found)
  return found
}

const imported = async ({ module }: Task): Promise<Record<string, unknown>> => {
  const file = join(hello!.bundleFolder, module)
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    const { type, message, stack } = told(error)
    throw new NotLoaded({ type, message: `${module} could not be imported: ${message}. ${remedyFor(error)}`, stack })
  }
}

const remedyFor = (error: unknown): string => {
  const { code } = error as { code?: string }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return 'Is it in the bundle, and is every package that it imports installed where it runs?'
  return 'It must import without errors on a worker too: what needs your machine belongs inside a function.'
}

/** A work or workflow of the SDK is a callable that bears its function; a plain function will do as well. CommonJS has its exports under `default`. */
const exportOf = (module: Record<string, unknown>, { module: name, export: key }: Task): Callable => {
  const found = module[key] ?? (module.default as Record<string, unknown> | undefined)?.[key]
  const marked = (found as Record<symbol, { fn?: unknown } | undefined> | undefined)?.[workKey]?.fn ?? found
  if (typeof marked === 'function') return marked as Callable
  const others = Object.keys(module).join(', ') || 'nothing'
  const message = `${name} has no function "${key}"; it exports ${others}. Export it at the top level of the file.`
  throw new NotLoaded({ type: 'ExportMissing', message })
}

/** Null when the folder of the job before, which it left things in, is gone already. */
const whereWeAre = (): string | null => {
  try {
    return process.cwd()
  } catch {
    return null
  }
}

/** Those of the task come first; named ones are merged, and go as one last object, since JavaScript has no others. */
const argumentsOf = ({ common }: Task, { args }: Run): unknown[] => {
  const [shared, own] = [common, args].map((text) => (text ? ((decodeValue(textOf(text)) ?? {}) as Arguments) : {}))
  const named = { ...shared!.k, ...own!.k }
  return [...(shared!.a ?? []), ...(own!.a ?? []), ...(Object.keys(named).length > 0 ? [named] : [])]
}

const textOf = (text: Text): string => ('text' in text ? text.text : readFileSync(text.file, 'utf8'))

const kept = (text: string, folder: string): Text => {
  if (text.length <= maxInlineBytes / 3 || Buffer.byteLength(text) <= maxInlineBytes) return { text }
  const file = join(folder, '.culm.result.json')
  writeFileSync(file, text)
  return { file }
}

const stray = (error: unknown) => {
  if (current) current.strayed(error)
  else process.stderr.write(`an error outside any job: ${inspect(error)}\n`)
}

const told = (error: unknown): RemoteError => {
  if (!(error instanceof Error))
    return { type: typeof error, message: typeof error === 'string' ? error : inspect(error) }
  const { name, message } = error
  return { type: name === 'Error' ? error.constructor.name : name, message: String(message), stack: tracebackOf(error) }
}

/** The user's frames, and those of the causes. */
const tracebackOf = (error: Error, depth = 0): string => {
  const lines = String(error.stack ?? error).split('\n')
  const own = lines.filter(
    (line) =>
      !(
        /^\s+at /.test(line) &&
        (line.includes(self) || line.includes('(node:internal/') || line.includes('at node:internal/'))
      ),
  )
  const { cause } = error
  const beneath = cause instanceof Error && depth < 5 ? `\nCaused by: ${tracebackOf(cause, depth + 1)}` : ''
  return own.join('\n') + beneath
}

start()
