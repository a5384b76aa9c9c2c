import { isFault } from '../../lib/fault.ts'
import { addressOf } from '../bundle/address.ts'
import { needsOf } from '../definition.ts'
import { currentRun } from '../discover.ts'
import { currentRuntime } from '../runtime.ts'
import type { Use } from '../use.ts'
import { argumentsHash, codeOf } from './drive.ts'
import { makeOrdinals } from './keys.ts'
import { driverClient, openedSession } from './openScopes.ts'
import { payloadOf, Scope } from './scope.ts'
import { freeSlot } from './slot.ts'
import { sendText } from './values.ts'

/** A workflow whose function runs as a job. */
export type SubmittedWorkflow = {
  workflowId: string
  taskId: string
  jobId: string
  cancel(): Promise<void>
  /** Resolves when its outcome has arrived. */
  ended(): Promise<void>
}

/**
 * Starts a workflow whose function runs as a job, or finds the one that an earlier start of this program had begun. `outer` is the workflow function that
 * submits it: there its end is one of the things that the program is told.
 */
export const submitWorkflow = async (use: Use, outer: Scope | undefined): Promise<SubmittedWorkflow> => {
  const client = await driverClient()
  const address = await addressOf(use.definition)
  const key = ordinal(`${address.name}#${address.export}@job`)
  const { name = address.export, ...needs } = use.options
  const [{ bundle, payload }, args] = await Promise.all([
    payloadOf(address, client, needs),
    sendText(client, use.jobs[0]!),
  ])
  const { id, program, acceptCode } = currentRun()
  const hashes = { code: await codeOf(address), arguments: argumentsHash([use.jobs[0]]) }
  const { workflowId, job } = await client.call('createWorkflow', {
    body: {
      ...{ name, kind: 'job', task: { name, payload, args, ...needsOf(needs) } },
      // Where its job runs is where the works that it calls run, in what they do not say themselves.
      environment: payload.environment,
      run: { id, key, program, acceptCode, ...hashes },
    },
    repeat: true,
    trace: use.trace,
  })
  currentRuntime()?.opened?.({ workflowId, kind: 'job' })
  const { taskId, jobId } = job!
  const scope = new Scope({ client, workflowId, name: 'driver', epoch: 0, slot: freeSlot })
  const follow = once(() => scope.follow(use, taskId, { work: name, bundle }))
  return {
    ...{ workflowId, taskId, jobId },
    cancel: async () => {
      try {
        await client.call('cancelWorkflow', { params: { id: workflowId }, body: {}, repeat: true })
      } catch (error) {
        if (!isFault(error, 'not_cancellable')) throw error
      }
    },
    ended: async () => {
      await follow()
      await scope.teller.wait(use.arrivals, 'all')
      await (outer ?? openedSession())?.teller.tellEnd(workflowId)
    },
  }
}

/** Counts equal functions in the order in which the program submits them. */
const ordinal = makeOrdinals()

const once = (act: () => Promise<void>): (() => Promise<void>) => {
  let done: Promise<void> | undefined
  return () => {
    done ??= act()
    return done
  }
}
