/**
 * The runner for Node: a warm process that runs functions of one bundle, one job at a time. `contract/runner.ts` says how it and its pilot talk.
 * Built into one file; it imports next to nothing, since its start is part of the first call of every bundle.
 */
import { openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import type { RemoteError } from '../../contract/jobs.ts'
import {
  type Arguments,
  endMark,
  type FromRunner,
  type Hello,
  type Run,
  type Text,
  type ToRunner,
} from '../../contract/runner.ts'
import { decodeValue, encodeValue } from '../../contract/values.ts'
import { makeLineReader } from '../lines.ts'

/** As in `contract/base.ts`, which would bring all schemas with it. */
const maxInlineBytes = 1_000_000

/** What the SDK finds at `globalThis[Symbol.for('culm.runtime')]` in a runner. */
export type Runtime = {
  /** The bundle's module is being imported: calls made now come from its top level, and are refused. */
  importing: boolean
  job: { jobId: string; taskId: string; workflowId: string; index: number; attempt: number; token: string }
  serverUrl: string
  bundle: { hash: string; folder: string }
  /** The job waits for its calls, and for nothing else. */
  awaiting(): void
  /** What it waited for has come; resolves when it has a slot again. */
  woken(): Promise<void>
}

type Job = { run: Run; runtime: Runtime; strayed: (error: unknown) => void }

const runtimeKey = Symbol.for('culm.runtime')
const workKey = Symbol.for('culm.work')
const self = fileURLToPath(import.meta.url)

const channel = new Socket({ fd: 3 })
let hello: Hello | null = null
let current: Job | null = null
let onResumed = () => {}

const start = () => {
  // Nothing to speak of for a small bundle; with one of 2.8 MB the first error of the process takes 0.3 s (measured).
  process.setSourceMapsEnabled(true)
  for (const stream of [process.stdout, process.stderr]) writeAtOnce(stream)
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
  if (message.t === 'hello') {
    hello = message
    send({ t: 'ready' })
  } else if (message.t === 'run') void runJob(message)
  else if (message.jobId === current?.run.jobId) onResumed()
}

const send = (message: FromRunner) => channel.write(`${JSON.stringify(message)}\n`)

/**
 * The peak of this process since the last reset, MB: Linux forgets the peak when told to. Elsewhere it is what the process has now; the peak of its
 * whole life, which `process.resourceUsage` has, may be that of another job.
 */
const peakMemory = (() => {
  try {
    const [status, forget] = [openSync('/proc/self/status', 'r'), openSync('/proc/self/clear_refs', 'w')]
    const text = Buffer.alloc(4096)
    const peakMb = () =>
      (Number(/VmHWM:\s+(\d+)/.exec(text.toString('latin1', 0, readSync(status, text, 0, 4096, 0)))![1]) * 1024) / 1e6
    return { reset: () => void writeSync(forget, '5', 0), peakMb }
  } catch {
    return { reset: () => {}, peakMb: () => process.memoryUsage.rss() / 1e6 }
  }
})()

const runJob = async (run: Run) => {
  peakMemory.reset()
  const cpuBefore = process.cpuUsage()
  let last = false
  const astray = new Promise<never>((_, reject) => {
    current = { run, runtime: runtimeOf(run), strayed: reject }
  })
  astray.catch(() => {
    last = true
  })
  const end = await outcomeOf(run, astray)
  current = null
  const { user, system } = process.cpuUsage(cpuBefore)
  const usage = { cpuSeconds: (user + system) / 1e6, maxRssMb: peakMemory.peakMb() }
  send({ t: 'done', jobId: run.jobId, attempt: run.attempt, usage, last, ...end })
  for (const stream of [process.stdout, process.stderr]) stream.write(endMark(run.jobId, run.attempt))
}

type End = { ok: true; value: Text } | { ok: false; cause: 'user' | 'bundle'; error: RemoteError }

const outcomeOf = async (run: Run, astray: Promise<never>): Promise<End> => {
  try {
    process.chdir(run.folder)
    const call = await Promise.race([loaded(run), astray])
    const value = await Promise.race([call(...argumentsOf(run)), astray])
    return { ok: true, value: kept(encodeValue(value), run.folder) }
  } catch (error) {
    if (error instanceof NotLoaded) return { ok: false, cause: 'bundle', error: error.told }
    return { ok: false, cause: 'user', error: told(error) }
  }
}

const runtimeOf = ({ jobId, taskId, workflowId, index, attempt, token, bundle }: Run): Runtime => ({
  importing: false,
  job: { jobId, taskId, workflowId, index, attempt, token },
  serverUrl: hello!.serverUrl,
  bundle: { hash: bundle, folder: hello!.bundleFolder },
  awaiting: () => void send({ t: 'awaiting', jobId }),
  woken: () =>
    new Promise((resolve) => {
      onResumed = resolve
      send({ t: 'woken', jobId })
    }),
})

class NotLoaded extends Error {
  readonly told: RemoteError

  constructor(error: RemoteError) {
    super(error.message)
    this.told = error
  }
}

type Callable = (...args: unknown[]) => unknown

/** The function of the job. Its module is imported once in the life of this process. */
const loaded = async (run: Run): Promise<Callable> => {
  const { runtime } = current!
  const holder = globalThis as unknown as Record<symbol, Runtime>
  holder[runtimeKey] = runtime
  runtime.importing = true
  const found = exportOf(await imported(run), run)
  runtime.importing = false
  return found
}

const imported = async ({ module }: Run): Promise<Record<string, unknown>> => {
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
const exportOf = (module: Record<string, unknown>, { module: name, export: key }: Run): Callable => {
  const found = module[key] ?? (module.default as Record<string, unknown> | undefined)?.[key]
  const marked = (found as Record<symbol, { fn?: unknown } | undefined> | undefined)?.[workKey]?.fn ?? found
  if (typeof marked === 'function') return marked as Callable
  const others = Object.keys(module).join(', ') || 'nothing'
  const message = `${name} has no function "${key}"; it exports ${others}. Export it at the top level of the file.`
  throw new NotLoaded({ type: 'ExportMissing', message })
}

/** Those of the task come first; named ones are merged, and go as one last object, since JavaScript has no others. */
const argumentsOf = ({ common, args }: Run): unknown[] => {
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
