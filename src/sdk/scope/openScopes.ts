import { type Client, makeClient } from '../../contract/client.ts'
import type { Environment } from '../../contract/environments.ts'
import { fault } from '../../contract/faults.ts'
import type { BodyInputOf } from '../../contract/routes.ts'
import { encodeValue } from '../../contract/values.ts'
import type { JournalEntry } from '../../contract/workflows.ts'
import { sha256 } from '../../lib/digest.ts'
import { isFault } from '../../lib/fault.ts'
import { currentRun, currentServer } from '../discover.ts'
import { currentRuntime, type Runtime } from '../runtime.ts'
import { hashOfFile } from './hashOfFile.ts'
import { Scope } from './scope.ts'
import { freeSlot, jobSlot } from './slot.ts'
import { fetchText, sendText } from './values.ts'

/** A workflow whose driver is this process: it renews its right to write until it ends. */
export type Driver = {
  workflowId: `w${number}`
  scope: Scope
  /** The driver says how it ended, with the value or the error of the workflow function. */
  end(how: { value: unknown } | { error: unknown }): Promise<void>
  /** The driver leaves without a word: the workflow is paused after a while, and can be continued. What it awaits fails. */
  leave(error: unknown): void
  /** The text of its value, when an earlier start had brought it to its end. */
  value?: string
}

export type DriverOptions = {
  kind: 'function' | 'session'
  /** What people see it called. */
  name: string
  /** Which of the workflows of this program it is. */
  key: string
  /** Hashes of its source and of its arguments. */
  code?: string
  arguments?: string
  /** Where its tasks run, in what they do not say themselves. */
  environment?: Environment
  replaySeconds?: number
}

/** Starts a workflow and becomes its driver, or continues what an earlier start of this program had begun. */
export const openDriver = async ({
  kind,
  name,
  key,
  environment,
  replaySeconds,
  ...hashes
}: DriverOptions): Promise<Driver> => {
  const client = await driverClient()
  const { id, program, acceptCode, ...run } = currentRun()
  const { workflowId, epoch, renewSeconds, known, state, value } = await client.call('createWorkflow', {
    body: { name, kind, environment, run: { id, key, program, acceptCode, ...hashes } },
    // A start that is repeated, since its reply was lost, is one more start of the same program.
    repeat: true,
  })
  currentRuntime()?.opened?.({ workflowId, kind })
  const scope = new Scope({
    client,
    workflowId,
    name: 'driver',
    epoch,
    slot: freeSlot,
    replaySeconds: replaySeconds ?? run.replaySeconds,
    journal: known ? await readJournal(client, workflowId, 'driver') : [],
  })
  const stopRenewing = state === 'done' ? () => {} : renew(scope, { client, workflowId, epoch, renewSeconds })
  const leave = (error: unknown) => {
    stopRenewing()
    scope.fail(error)
  }
  const end: Driver['end'] = async (how) => {
    stopRenewing()
    const body = {
      epoch,
      ...('value' in how
        ? { state: 'done' as const, value: await sentValue(client, how.value) }
        : { state: 'failed' as const, error: errorToSend(how.error) }),
    }
    await ended(client.call('endWorkflow', { params: { id: workflowId }, body, repeat: true }))
    scope.fail(fault('workflow_ended', `the workflow ${workflowId} has ended`))
  }
  const before = value ? { value: await fetchText(client, value, workflowId) } : {}
  return { workflowId, scope, end, leave, ...before }
}

/** What the earlier starts of a driver or job had asked for, and were told. */
const readJournal = async (client: Client, workflowId: `w${number}`, scope: string): Promise<JournalEntry[]> => {
  const entries: JournalEntry[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page: { items: JournalEntry[]; next: number | null } = await client.call('readJournal', {
      params: { id: workflowId },
      query: { scope, after },
    })
    entries.push(...page.items)
    after = page.next
  }
  return entries
}

/**
 * The session of this process: its calls outside any workflow function. It ends when the process has nothing left to
 * do.
 */
export const sessionScope = (): Promise<Scope> => {
  session ??= openSession()
  return session
}
let session: Promise<Scope> | undefined

/** The session of this process, if a call outside any workflow function was made. */
export const openedSession = (): Scope | undefined => opened
let opened: Scope | undefined

/**
 * The calls of the job that this process runs now. A runner has one job at a time, so the scope of the one before is
 * of no more use.
 */
export const jobScope = (runtime: Runtime, job: NonNullable<Runtime['job']>): Promise<Scope> => {
  const key = `${job.jobId} ${job.attempt}`
  if (lastJob?.key !== key) {
    lastJob?.close()
    lastJob = openJob(runtime, job, key)
  }
  return lastJob.scope
}
let lastJob: OpenJob | undefined

type OpenJob = { key: string; scope: Promise<Scope>; close(): void }

const openJob = (
  runtime: Runtime,
  { jobId, workflowId, attempt, token }: NonNullable<Runtime['job']>,
  key: string,
): OpenJob => {
  if (!runtime.serverUrl) throw fault('server_unknown', 'the runner did not say where the server is')
  const client = makeClient({ url: runtime.serverUrl, token })
  const slot = jobSlot({ awaiting: () => runtime.awaiting?.(), woken: async () => runtime.woken?.() })
  const open = async () => {
    const id = workflowId as `w${number}`
    // What an earlier attempt had called runs on, or has ended: it is not called again.
    const journal = attempt > 1 ? await readJournal(client, id, jobId) : []
    return new Scope({ client, workflowId: id, name: jobId, epoch: attempt, slot, journal })
  }
  const scope = open()
  const close = async () => {
    await scope.then(
      (opened) => opened.fail(fault('workflow_ended', `${jobId}, which made this call, has ended`)),
      () => {},
    )
    await client.close()
  }
  return { key, scope, close: () => void close() }
}

const openSession = async (): Promise<Scope> => {
  try {
    const driver = await openDriver({
      kind: 'session',
      name: currentRun().program,
      key: 'session',
      ...(await hashesOfMain()),
    })
    // Best effort: a process that ends any other way falls silent, and the server pauses its session after a while.
    process.once('beforeExit', (code) => void endSession(driver, Number(code)).catch(() => {}))
    opened = driver.scope
    return driver.scope
  } catch (error) {
    session = undefined
    throw error
  }
}

const endSession = async ({ scope, end, leave }: Driver, code: number): Promise<void> => {
  const { divergence } = scope
  if (!divergence)
    return end(code === 0 ? { value: undefined } : { error: new Error(`the process ended with ${code}`) })
  leave(divergence)
  process.exitCode = code || 1
  process.stderr.write(`culm: ${divergence.message} (${divergence.code})\n`)
}

/** A session is the main script and what that is called with. */
const hashesOfMain = async (): Promise<{ code?: string; arguments?: string }> => {
  const [, script, ...args] = process.argv
  if (currentRuntime()?.run || script === undefined) return {}
  return { code: await hashOfFile(script), arguments: sha256(JSON.stringify(args)) }
}

/** One client for all drivers of this process. */
export const driverClient = (): Promise<Client> => {
  drivers ??= currentServer()
    .then(makeClient)
    .catch((error) => {
      drivers = undefined
      throw error
    })
  return drivers
}
let drivers: Promise<Client> | undefined

type Renewal = { client: Client; workflowId: `w${number}`; epoch: number; renewSeconds: number }

/**
 * Says that the driver lives. When the server says that the workflow is over, or another's, all that it awaits fails
 * with that.
 */
const renew = (scope: Scope, { client, workflowId, epoch, renewSeconds }: Renewal): (() => void) => {
  const once = async () => {
    try {
      const { state } = await client.call('renewDriver', {
        params: { id: workflowId },
        body: { epoch },
        repeat: true,
        retrySeconds: renewSeconds,
      })
      if (state === 'cancelled' || state === 'expired')
        throw fault('workflow_ended', `the workflow ${workflowId} was ${state}`)
    } catch (error) {
      if (!isFault(error, 'workflow_ended') && !isFault(error, 'driver_replaced')) return
      clearInterval(timer)
      scope.fail(error)
    }
  }
  const timer = setInterval(() => void once(), renewSeconds * 1000).unref()
  return () => clearInterval(timer)
}

/** A workflow that was ended by others meanwhile, or by a lost reply of ours, has ended all the same. */
const ended = async (reply: Promise<unknown>): Promise<void> => {
  try {
    await reply
  } catch (error) {
    if (!isFault(error, 'workflow_ended')) throw error
  }
}

/**
 * What the server keeps of a driver's value is for others to see; one that cannot be sent is still a fine value in
 * this process.
 */
const sentValue = async (client: Client, value: unknown): Promise<BodyInputOf<'endWorkflow'>['value']> => {
  try {
    return await sendText(client, encodeValue(value))
  } catch (error) {
    if (isFault(error, 'value_unsupported')) return undefined
    throw error
  }
}

const errorToSend = (error: unknown): NonNullable<BodyInputOf<'endWorkflow'>['error']> => {
  if (!(error instanceof Error)) return { type: typeof error, message: storable(String(error), 10_000) }
  const { name, message, stack = '' } = error
  const type = name === 'Error' ? error.constructor.name : name
  return { type: storable(type, 200), message: storable(message, 10_000), stack: storable(stack, 100_000) }
}

/** As much as the server takes, without what no database stores: NUL, and halves of characters. */
const storable = (text: string, length: number): string =>
  text.slice(0, length).toWellFormed().replaceAll('\0', '\ufffd')
