import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import { type Client, makeClient } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import type { BodyInputOf } from '../../contract/routes.ts'
import { encodeValue } from '../../contract/values.ts'
import { isFault } from '../../lib/fault.ts'
import { currentServer } from '../discover.ts'
import { currentRuntime, type Runtime } from '../runtime.ts'
import { Scope } from './scope.ts'
import { freeSlot, jobSlot } from './slot.ts'
import { sendText } from './values.ts'

/** A workflow whose driver is this process: it renews its right to write until it ends. */
export type Driver = {
  scope: Scope
  /** The driver says how it ended, with the value or the error of the workflow function. */
  end(how: { value: unknown } | { error: unknown }): Promise<void>
}

/** Starts a workflow and becomes its driver. */
export const openDriver = async (kind: 'function' | 'session', name: string): Promise<Driver> => {
  const client = await driverClient()
  const { workflowId, epoch, renewSeconds } = await client.call('createWorkflow', {
    body: { name, kind },
    key: randomUUID(),
  })
  currentRuntime()?.opened?.({ workflowId, kind })
  const scope = new Scope({ client, workflowId, name: 'driver', epoch, slot: freeSlot })
  const stopRenewing = renew(scope, { client, workflowId, epoch, renewSeconds })
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
  return { scope, end }
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
  const scope = new Scope({ client, workflowId: workflowId as `w${number}`, name: jobId, epoch: attempt, slot })
  const close = () => {
    scope.fail(fault('workflow_ended', `${jobId}, which made this call, has ended`))
    void client.close()
  }
  return { key, scope: Promise.resolve(scope), close }
}

const openSession = async (): Promise<Scope> => {
  try {
    const { scope, end } = await openDriver('session', basename(process.argv[1] ?? 'session'))
    // Best effort: a process that ends any other way falls silent, and the server ends its session after a while.
    process.once('beforeExit', (code) => {
      void end(code === 0 ? { value: undefined } : { error: new Error(`the process ended with ${code}`) }).catch(
        () => {},
      )
    })
    return scope
  } catch (error) {
    session = undefined
    throw error
  }
}

/** One client for all drivers of this process. */
const driverClient = (): Promise<Client> => {
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
