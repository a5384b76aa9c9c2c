import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Client } from '../contract/client.ts'
import { type FaultCode, fault } from '../contract/faults.ts'
import type { ClaimedTask } from '../contract/pilots.ts'
import type { BodyInputOf, ParamsOf } from '../contract/routes.ts'
import { type Clock, sleep, systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/fault.ts'
import { type Log, silentLog } from '../lib/log.ts'
import type { Tracer } from '../lib/trace.ts'
import type { Runtime } from '../ports/runtime.ts'
import type { Attempt } from './attempt.ts'
import { Attempts, cancelGraceMs } from './attempts.ts'
import { Claims } from './claims.ts'
import { type Environment, payloadEnvironment } from './environment.ts'
import { failedBy, type Outcome } from './failure.ts'
import { clearLeftovers } from './leftovers.ts'
import { LogOutbox } from './logOutbox.ts'
import { noPilotMetrics, type PilotMetrics } from './metrics.ts'
import { nextStart } from './pilotName.ts'
import { pidsHere } from './processTable.ts'
import { AllQuarters, type Isolation, noIsolation, type Quarters } from './quarters.ts'
import { Registration } from './registration.ts'
import { ReportOutbox } from './reportOutbox.ts'
import { type CommandTools, runCommand } from './runCommand.ts'
import { canFollow, runFunctions, type Skipped } from './runFunction.ts'
import { RunnerPool } from './runnerPool.ts'
import { SecondThread } from './secondThread.ts'
import { hiddenOf, withoutSecrets } from './taskSecrets.ts'
import type { FromSecond } from './thread/messages.ts'
import { ToldOutbox } from './toldOutbox.ts'

export type PilotOptions = {
  client: Client
  /** The token of `client`, which the second thread needs for its own connection. */
  token: string | null
  /** Survives restarts: see `pilotName`. */
  name: string
  queue: string
  /** Cores it may use at once. */
  slots: number
  /** Memory that the limits of jobs running at once may add up to, MB; any when left out. */
  memoryMb?: number
  /** Names of the GPUs that jobs may have, each its own; without any, jobs see what the pilot sees. */
  gpus?: readonly string[]
  /** A folder of its own, on a local disk: caches, and working directories of jobs. */
  folder: string
  host: string
  version: string
  /** The environment that a part of is given to payloads; none of it when left out. */
  environment?: Environment
  /** The folder that holds the Python package `culm`. */
  pythonPath: string
  /** The built `runner/node.ts`, one file. */
  nodeRunner: string
  /** The built `thread/thread.ts`, one file. */
  secondThread: string
  /** What keeps payloads of different owners apart; nothing does when left out. */
  isolation?: Isolation
  /** What runs images here, those first that are preferred; none when left out. */
  runtimes?: readonly Runtime[]
  /** Where packages of environments are installed; in `folder` when left out. Pilots of one machine may share it. */
  environments?: string
  log?: Log
  metrics?: PilotMetrics
  tracer?: Tracer
  clock?: Clock
  /** Its end is the request to end: no more is claimed, and what runs has `graceSeconds`. */
  signal: AbortSignal
  /** Its end is the request to end at once. */
  killSignal?: AbortSignal
  /** How long running jobs may go on after `signal`, s. Thirty is what most batch systems leave between their first signal and the last. */
  graceSeconds?: number
  /** How long a runner without work is kept, s. */
  idleSeconds?: number
  /** How long the server may hold a claim open, s. */
  waitSeconds?: number
  /** How much of each output stream of an attempt is kept, bytes. */
  maxLogBytes?: number
  /** Memory and cores over time are told of attempts that run so long, and no more often, s. */
  courseSeconds?: number
  onRegistered?: (pilotId: string) => void
}

/**
 * Runs a pilot: claims jobs of its queue, runs them, and reports, until `signal` ends. The server may be away at any time and for any time: jobs go on, and
 * reports wait. Throws the fault `pilot_replaced` when a newer start of this pilot has taken over; its jobs have been ended then.
 */
export const runPilot = async (options: PilotOptions): Promise<void> => {
  const { signal, log = silentLog } = options
  const folder = resolve(options.folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const left = await clearLeftovers(folder)
  if (left > 0) log.warn({ groups: left }, 'ended what an earlier self of this pilot had left running')
  if (pidsHere().length === 0)
    log.warn({}, 'there is no /proc here: memory is not measured, and its limits are not kept')
  const pilot = assemble({ ...options, folder })
  await pilot.quarters.clear()
  try {
    await Promise.race([registered(pilot, signal), pilot.trouble])
    await Promise.race([pilot.claims.run(), ended(signal), pilot.trouble])
    if (pilot.registration.done) await Promise.race([drain(pilot, options), pilot.trouble])
  } catch (error) {
    log.error({ error: messageOf(error) }, 'the pilot ends')
    throw error
  } finally {
    await takeApart(pilot)
  }
}

/** Registers, unless the end comes first. */
const registered = async ({ registration, claims }: Pilot, signal: AbortSignal): Promise<void> => {
  try {
    await registration.register(signal)
  } catch (error) {
    if (!signal.aborted) throw error
    claims.stop()
  }
}

type Pilot = ReturnType<typeof assemble>

/** The parts of a pilot, and who calls whom. */
const assemble = (options: PilotOptions) => {
  const {
    client,
    token,
    name,
    queue,
    slots,
    memoryMb,
    gpus = [],
    folder,
    host,
    version,
    environment = {},
    pythonPath,
    nodeRunner,
    isolation = noIsolation,
    runtimes = [],
    environments,
    clock = systemClock,
    log = silentLog,
    metrics = noPilotMetrics,
  } = options
  const { idleSeconds = 300, waitSeconds = 20, maxLogBytes = 10_000_000 } = options
  const over = new AbortController()
  let fail = (_error: unknown) => {}
  const trouble = new Promise<never>((_, reject) => {
    fail = reject
  })
  trouble.catch(() => {}) // it may come when nobody waits for it any more

  const second = new SecondThread({
    file: options.secondThread,
    data: { url: client.url, token },
    onMessage: (message) => hear(message),
    onError: fail,
  })
  const registration = new Registration({
    client,
    as: { name, queue, slots, memoryMb, gpus: gpus.length || undefined, host, version, pid: process.pid },
    nextStart: () => nextStart(options.folder, clock().getTime()),
    log,
    onRegistered: ({ pilotId, epoch, renewSeconds }) => {
      second.tell({ t: 'serve', pilotId, epoch, renewSeconds })
      options.onRegistered?.(pilotId)
    },
  })
  const reports = new ReportOutbox({
    client,
    registration,
    log,
    signal: over.signal,
    onReplaced: fail,
    watch: (items, waitSeconds) => {
      metrics.batchItems.observe(items, 'report')
      metrics.batchWaitSeconds.observe(waitSeconds, 'report')
    },
  })
  const logs = new LogOutbox({
    log,
    send: (chunks) => deliver('sendLogs', { chunks: chunks as Body<'sendLogs'>['chunks'] }),
  })
  const told = new ToldOutbox({ log, send: (batch) => deliver('sendTold', batch) })
  const deliver = deliveryTo({ client, registration, signal: over.signal })

  const env = payloadEnvironment(environment, folder)
  const maxIdle = 2 * slots + 2
  const runners = new RunnerPool({ serverUrl: client.url, version, idleSeconds, maxIdle, logs, log })
  const machine = { client, folder, env, nodeRunner, pythonPath, isolation, runtimes, environments, logs }
  const quarters = new AllQuarters({ ...machine, bundlesInUse: () => runners.bundlesInUse() })
  const attempts: Attempts = new Attempts({
    slots,
    memoryMb,
    gpus,
    maxLogBytes,
    clock,
    log,
    metrics,
    tracer: options.tracer,
    logs,
    asRunHere: queue === localQueue ? undefined : withoutInterpreter,
    run: (some) => {
      const { task } = some[0]
      const ends = runIn(quarters, some, { runners, logs, host, serverUrl: client.url })
      const hidden = hiddenOf(task)
      return hidden === null ? ends : ends.map(async (end) => withoutSecrets(await end.catch(failedBy), hidden))
    },
    canFollow,
    report: (report) => reports.report(report),
    tell: ({ task }, word) => told.add(word, hiddenOf(task)),
    tellCourse: ({ job: { jobId, attempt } }, points) => told.addCourse({ jobId, attempt, points }),
    courseSeconds: options.courseSeconds,
    watch: (key, { pid, apart }, limitMb) => second.tell({ t: 'watch', key, pid: pid!, limitMb, apart }),
    unwatch: (key) => second.tell({ t: 'unwatch', key }),
    onFree: () => claims.coresFreed(),
  })
  const claims = new Claims({ client, registration, attempts, log, waitSeconds })
  metrics.slots.readBy(() => [[slots]])
  metrics.slotsTaken.readBy(() => [[attempts.coresTaken]])
  metrics.held.readBy(() => [...attempts.byPhase()].map(([phase, n]) => [n, phase]))
  metrics.reportsWaiting.readBy(() => [[reports.size]])

  const hear = (message: FromSecond): void => {
    if (message.t === 'whatIsHeld') second.tell({ t: 'held', list: attempts.list(), nextClaim: claims.next })
    else if (message.t === 'measured') attempts.measured(message.key, message.rssMb, message.cpuSeconds)
    else if (message.t === 'over') attempts.overMemory(message.key, message.usedMb)
    else if (message.t === 'refused')
      registration.mend(fault(message.code as FaultCode, message.message), message.epoch).catch(fail)
    else {
      for (const held of message.drop) attempts.stop(held, { why: 'dropped', graceMs: 0 })
      for (const held of message.cancel) attempts.stop(held, { why: 'cancelled', graceMs: cancelGraceMs })
    }
  }
  return { registration, claims, attempts, reports, logs, told, runners, quarters, second, over, trouble, client }
}

/** Runs jobs of one task where their owner's payloads live. */
const runIn = (
  all: AllQuarters,
  some: readonly Attempt[],
  { runners, ...tools }: { runners: RunnerPool } & Omit<CommandTools, 'quarters'>,
): Promise<Outcome | Skipped>[] => {
  const { payload, ownerId } = some[0]!.task
  let quarters: Quarters
  try {
    quarters = all.of(ownerId)
  } catch (error) {
    return some.map(() => Promise.reject(error))
  }
  if (payload.kind === 'function') return runFunctions(some, payload, { quarters, runners })
  return some.map((attempt) => {
    runners.clear(attempt.devices)
    return runCommand(attempt, payload, { quarters, ...tools })
  })
}

/** That of `culm up`: its pilot is on the machine of those who call, where their interpreters are. */
const localQueue = 'local'

/** Elsewhere a function runs under what that machine has. */
const withoutInterpreter = (task: ClaimedTask): ClaimedTask =>
  task.payload.kind === 'function' ? { ...task, payload: { ...task.payload, interpreter: undefined } } : task

type Body<N extends 'sendLogs' | 'sendTold'> = Omit<BodyInputOf<N>, 'epoch'>

/** Repeated until the server has it: what comes twice is known there by its place. */
const deliveryTo =
  ({ client, registration, signal }: { client: Client; registration: Registration; signal: AbortSignal }) =>
  async <N extends 'sendLogs' | 'sendTold'>(name: N, body: Body<N>): Promise<void> => {
    for (;;) {
      const { pilotId, epoch } = registration.current
      try {
        await client.call(name, {
          params: { id: pilotId } as ParamsOf<N>,
          body: { epoch, ...body } as BodyInputOf<N>,
          repeat: true,
          retrySeconds: Number.POSITIVE_INFINITY,
          signal,
        })
        return
      } catch (error) {
        if (signal.aborted) return
        await registration.mend(error, epoch)
      }
    }
  }

/** How long the last reports may take to be delivered, ms; the server gives back what it was not told of when the lease ends. */
const deliveryMs = 10_000
const hurriedMs = 1000

/** How long a killed process may take to be gone, ms: the system does not let go of one that waits for a disk. */
const dyingMs = 10_000

/**
 * The orderly end: no more claims; what does not compute now goes back at once; what runs has until `graceSeconds`, then goes back too, its attempt not
 * counted; then the reports are delivered, and the server is told.
 */
const drain = async (pilot: Pilot, options: PilotOptions) => {
  const { claims, attempts, reports, logs, told, registration, client } = pilot
  const { graceSeconds = 30, killSignal = new AbortController().signal, log = silentLog } = options
  claims.stop()
  log.info({ jobs: attempts.list().length, graceSeconds }, 'draining')
  const hurried = ended(killSignal)
  void hurried.then(() => attempts.stopAll({ why: 'returned', graceMs: 0 }))
  attempts.returnIdle()
  if (!(await within(graceSeconds * 1000, attempts.quiet()))) {
    attempts.stopAll({ why: 'returned', graceMs: cancelGraceMs })
    await within(cancelGraceMs + dyingMs, attempts.quiet())
  }
  const delivered = Promise.all([reports.empty(), logs.flushed(), told.flushed()])
  await within(deliveryMs, Promise.race([delivered, hurried.then(() => sleep(hurriedMs))]))
  if (reports.size > 0)
    log.warn({ reports: reports.size }, 'reports were not delivered: their jobs go back with the lease')
  const { pilotId, epoch } = registration.current
  await client
    .call('leavePilot', { params: { id: pilotId }, body: { epoch }, repeat: true, retrySeconds: 1 })
    .catch((error) => log.warn({ error: messageOf(error) }, 'the server was not told that this pilot ends'))
}

/** After a drain there is little left; after a fault everything that still runs is killed, unreported. */
const takeApart = async ({ claims, attempts, runners, quarters, second, over }: Pilot): Promise<void> => {
  claims.stop()
  attempts.stopAll({ why: 'dropped', graceMs: 0 })
  await within(dyingMs, attempts.quiet())
  over.abort()
  attempts.close()
  await within(dyingMs, runners.close())
  await second.close()
  await quarters.clear().catch(() => {}) // the next start does it
}

const ended = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

/** Whether `work` came to its end in time. */
const within = async (ms: number, work: Promise<unknown>): Promise<boolean> => {
  const enough = new AbortController()
  const inTime = await Promise.race([work.then(() => true), sleep(ms, enough.signal).then(() => false)])
  enough.abort()
  return inTime
}
