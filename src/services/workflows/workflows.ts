import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import type { endWorkflow as endBody, NewWorkflow, StartedDriver, Workflow } from '../../contract/workflows.ts'
import { hasEnded, type JobEnd } from '../../domain/job/states.ts'
import { type WorkflowTrigger, workflowHasEnded, workflowTable } from '../../domain/workflow/states.ts'
import { showId } from '../../lib/ids.ts'
import { step } from '../../lib/machine.ts'
import { workflowTriggerOf, workflowTriggerOfJob } from '../../policy/advance/ends.ts'
import type { Db } from '../../store/db.ts'
import { dropRetries, isRetrying, takeRetryTurn } from '../../store/retry.ts'
import type { TaskFacts } from '../../store/tasks.ts'
import { dropTimers, setTimers } from '../../store/timers.ts'
import * as store from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { storedEnvironment } from '../environments.ts'
import { type Cancelled, cancelTasksOf } from '../steer/cancel.ts'
import { checkFunctionTask } from '../submit/submitTask.ts'
import { sentValue } from '../values.ts'
import { touchesOfWorkflow } from '../views/touches.ts'
import { workflowView } from '../views/workflows.ts'
import { driverReplaced } from './journal.ts'

/**
 * Starts a workflow, or continues the one that an earlier start of the same program had begun. Those with a driver are watched from here on: it renews, or the workflow is
 * paused. One whose function runs as a job is there with that job, which is watched as every job is.
 */
export const createWorkflow = async (
  engine: Engine,
  principal: Principal,
  workflow: NewWorkflow,
  trace: string | null = null,
): Promise<StartedDriver> => {
  if (principal.kind !== 'user') throw fault('forbidden', 'only a user starts a workflow')
  const { experimentId, personId: ownerId, teams } = principal
  if (!teams[0]) throw fault('forbidden', 'you are in no group')
  const teamId = teams[0].id
  const { name, kind, labels, run, task, environment } = workflow
  if ((kind === 'job') !== (task !== undefined))
    throw fault('fields_disagree', `body.task: ${task ? `a workflow of kind ${kind} has none` : 'is missing'}`)
  const driverEpoch = kind === 'function' || kind === 'session' ? 1 : 0
  const stored = storedEnvironment(environment)
  const insertTask = task && (await checkFunctionTask(engine, principal, task, trace))
  return transact(engine, async (tx, effects) => {
    const made = await store.insertWorkflow(tx, {
      experimentId,
      ownerId,
      teamId,
      name,
      kind,
      labels,
      driverEpoch,
      run: run ? runRow(run) : null,
      environment: stored,
      now: engine.clock(),
    })
    if (!made) return continueWorkflow(engine, tx, effects, ownerId, kind, run!)
    await insertTask?.(tx, effects, { workflowId: made.id, environment: stored })
    if (driverEpoch > 0) await watchDriver(engine, tx, effects, made.id)
    return driverOf(engine, { id: made.id, driverEpoch }, { known: false, job: await jobOf(tx, made.id, kind) })
  })
}

type Run = NonNullable<NewWorkflow['run']>

const runRow = ({ id, key, program, code, arguments: args }: Run): store.RunRow => ({
  id,
  key,
  program,
  code: code ?? null,
  arguments: args ?? null,
})

const driverOf = (
  engine: Engine,
  { id, driverEpoch }: { id: number; driverEpoch: number },
  more: Pick<StartedDriver, 'known'> & Partial<StartedDriver>,
): StartedDriver => ({
  workflowId: showId('w', id),
  epoch: driverEpoch,
  renewSeconds: engine.limits.renewSeconds,
  state: 'running',
  value: null,
  job: null,
  ...more,
})

const jobOf = async (tx: Db, id: number, kind: NewWorkflow['kind']): Promise<StartedDriver['job']> => {
  const job = kind === 'job' ? await store.jobOfFunction(tx, id) : undefined
  return job ? { taskId: showId('t', job.taskId), jobId: showId('j', job.jobId) } : null
}

/** A driver that starts again: its epoch is the next one, so that the one before, should it still live, can write no more. */
const continueWorkflow = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  ownerId: number,
  kind: NewWorkflow['kind'],
  { id: run, key, code, arguments: args, acceptCode }: Run,
): Promise<StartedDriver> => {
  const row = (await store.lockWorkflowOfRun(tx, ownerId, run, key))!
  const id = showId('w', row.id)
  if (row.kind !== kind) throw fault('invalid_input', `${id} is of kind ${row.kind}, and not ${kind}`)
  if (workflowHasEnded(row.state) && row.state !== 'done' && kind !== 'job')
    throw fault(
      'workflow_ended',
      `${id} is ${row.state}: culm retry ${id}, and continue it then; or start the program anew, without --continue and CULM_RUN`,
    )
  if (args && row.arguments && args !== row.arguments)
    throw fault('arguments_changed', `${id} was begun with other arguments`)
  // Whoever retries a workflow may have mended its program: what was done before is found by its keys, in no order.
  const isRetried = row.retriedAfter !== null && row.driverEpoch === row.retriedAfter + 1
  if (code && row.code && code !== row.code && !acceptCode && !isRetried)
    throw fault('code_changed', `the source of ${id} was changed since it began`)
  if (row.state === 'done' || kind === 'job')
    return driverOf(engine, row, {
      known: true,
      state: row.state,
      value: sentValue(row.value, row.valueBlob, row.valueBytes),
      job: await jobOf(tx, row.id, kind),
    })
  const { driverEpoch } = (await store.replaceDriver(tx, { id: row.id, code: code ?? null, now: engine.clock() }))!
  await watchDriver(engine, tx, effects, row.id)
  if (row.state === 'paused' && !row.held)
    await moveWorkflow(engine, tx, effects, row, 'driverBack', 'its program was started again')
  return driverOf(engine, { id: row.id, driverEpoch }, { known: true })
}

const watchDriver = async (engine: Engine, tx: Db, effects: Effects, id: number) => {
  const at = new Date(engine.clock().getTime() + engine.limits.driverSeconds * 1000)
  await setTimers(tx, [{ kind: 'driver', id, at, why: 'its driver should have been heard' }])
  effects.ring('agent:timers')
}

/** Steps a locked workflow; false when the trigger was stale. */
export const moveWorkflow = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  row: store.WorkflowRow,
  trigger: WorkflowTrigger,
  why: string | null,
): Promise<boolean> => {
  const stepped = step(workflowTable, row.state, trigger)
  if (stepped.kind === 'stale') return false
  const now = engine.clock()
  const ended = workflowHasEnded(stepped.to)
  await store.moveWorkflow(tx, { id: row.id, from: stepped.from, to: stepped.to, trigger, why, ended, now })
  if (ended) await dropTimers(tx, 'driver', [row.id])
  effects.moves.push({
    workflowId: row.id,
    move: {
      noun: 'workflow',
      id: showId('w', row.id),
      from: stepped.from,
      to: stepped.to,
      trigger,
      why,
      at: now.toISOString(),
    },
  })
  return true
}

const ownWorkflow = async (engine: Engine, principal: Principal, id: number) =>
  demand(principal, 'write', await engine.workflows.get(id), 'workflow_unknown')

/** The driver lives. A paused workflow whose driver is heard again goes on. */
export const renewDriver = async (
  engine: Engine,
  principal: Principal,
  id: number,
  epoch: number,
): Promise<{ state: string }> => {
  await ownWorkflow(engine, principal, id)
  return transact(engine, async (tx, effects) => {
    const row = (await store.lockWorkflow(tx, id))!
    mustBeNewest(row, epoch)
    if (workflowHasEnded(row.state)) return { state: row.state }
    await store.seeDriver(tx, id, engine.clock())
    await watchDriver(engine, tx, effects, id)
    if (row.state === 'paused' && !row.held)
      await moveWorkflow(engine, tx, effects, row, 'driverBack', 'its driver was heard again')
    return { state: 'running' }
  })
}

const mustBeNewest = (row: store.WorkflowRow, epoch: number) => {
  if (row.driverEpoch !== epoch) throw driverReplaced(row.id, row.driverEpoch, epoch)
}

/** The driver says how it ended. Repeated, it changes nothing; what it left running is cancelled. */
export const endWorkflow = async (
  engine: Engine,
  principal: Principal,
  id: number,
  body: z.infer<typeof endBody>,
): Promise<Workflow> => {
  await ownWorkflow(engine, principal, id)
  await transact(engine, async (tx, effects) => {
    await takeRetryTurn(tx, id)
    const row = (await store.lockWorkflow(tx, id))!
    mustBeNewest(row, body.epoch)
    const moved = await moveWorkflow(
      engine,
      tx,
      effects,
      row,
      body.state === 'done' ? 'succeeded' : 'failed',
      body.error?.message.slice(0, 500) ?? null,
    )
    if (!moved) return
    await dropRetries(tx, id, null)
    const { value, error } = body
    await store.setWorkflowResult(tx, {
      id,
      value: value && 'text' in value ? value.text : null,
      blob: value && 'blob' in value ? value.blob : null,
      bytes: value && 'blob' in value ? value.bytes : null,
      error: error ? JSON.stringify(error) : null,
    })
  })
  await cancelTasksOf(engine, id, 'its workflow has ended')
  return workflowView(engine, id)
}

/** No more tasks will come: the workflow ends with its last one. */
export const closeWorkflow = async (engine: Engine, principal: Principal, id: number): Promise<Workflow> => {
  await ownWorkflow(engine, principal, id)
  await transact(engine, async (tx, effects) => {
    await store.closeWorkflow(tx, id)
    await endIfOver(engine, tx, effects, id)
  })
  return workflowView(engine, id)
}

/** Ends a workflow without a driver when it is closed and its last task has ended, or, if its function is a job, when that has: then with the id of its task. */
export const endIfOver = async (engine: Engine, tx: Db, effects: Effects, id: number): Promise<number | null> => {
  const kind = (await engine.workflows.get(id))?.kind
  if (kind === 'tasks') await endWithTasks(engine, tx, effects, id)
  return kind === 'job' ? endWithJob(engine, tx, effects, id) : null
}

/** Of these tasks, which ended here, the workflows whose function is a job: they end at once, and not when the counters are folded, so that they have ended when somebody hears of it. */
export const workflowsOfFunctions = async (engine: Engine, tasks: Iterable<TaskFacts>): Promise<number[]> => {
  const ids = new Set([...tasks].filter((task) => task.parentJobId === null).map((task) => task.workflowId))
  const kinds = await Promise.all([...ids].map(async (id) => [id, (await engine.workflows.get(id))?.kind] as const))
  return kinds.flatMap(([id, kind]) => (kind === 'job' ? [id] : []))
}

/** Last in a transaction: workflows are locked after jobs and tasks. */
export const endAllOver = async (engine: Engine, tx: Db, effects: Effects, ids: number[]): Promise<void> => {
  for (const id of ids.sort((a, b) => a - b)) await endIfOver(engine, tx, effects, id)
}

const endWithTasks = async (engine: Engine, tx: Db, effects: Effects, id: number): Promise<void> => {
  const left = (await store.leftOfWorkflow(tx, id))!
  const trigger = workflowTriggerOf(left)
  if (!trigger || (await isRetrying(tx, id, null))) return
  const row = await store.lockWorkflow(tx, id)
  if (row)
    await moveWorkflow(
      engine,
      tx,
      effects,
      row,
      trigger,
      left.tasksFailed > 0 ? `${left.tasksFailed} of ${left.tasksTotal} tasks did not finish` : null,
    )
}

const endWithJob = async (engine: Engine, tx: Db, effects: Effects, id: number): Promise<number | null> => {
  const job = (await store.jobOfFunction(tx, id))!
  if (!hasEnded(job.state) || (await isRetrying(tx, id, null))) return null
  const { taskId, value, blob, bytes, error } = job
  const why = error ? (JSON.parse(error) as { message: string }).message.slice(0, 500) : null
  const row = (await store.lockWorkflow(tx, id))!
  const moved = await moveWorkflow(engine, tx, effects, row, workflowTriggerOfJob(job.state as JobEnd), why)
  if (moved) await store.setWorkflowResult(tx, { id, value, blob, bytes, error })
  return taskId
}

/** Its timer ran out: the driver has not been heard for too long. */
export const pauseSilentDriver = async (engine: Engine, tx: Db, effects: Effects, id: number): Promise<void> => {
  const row = await store.lockWorkflow(tx, id)
  await dropTimers(tx, 'driver', [id])
  if (row?.state === 'running')
    await moveWorkflow(
      engine,
      tx,
      effects,
      row,
      'driverLost',
      `its driver was silent for ${engine.limits.driverSeconds} s`,
    )
}

export const cancelWorkflow = async (
  engine: Engine,
  principal: Principal,
  id: number,
  why: string,
  preview = false,
): Promise<Cancelled> => {
  await ownWorkflow(engine, principal, id)
  if (preview) {
    const { state } = (await store.workflowById(engine.db, id))!
    if (workflowHasEnded(state)) throw fault('not_cancellable', `${showId('w', id)} is ${state}`)
    return { cancelled: 0, asked: 0, touches: await touchesOfWorkflow(engine, id, 'cancel') }
  }
  await transact(engine, async (tx, effects) => {
    await takeRetryTurn(tx, id)
    const row = (await store.lockWorkflow(tx, id))!
    const moved = await moveWorkflow(engine, tx, effects, row, 'cancelAsked', why)
    if (!moved) throw fault('not_cancellable', `${showId('w', id)} is ${row.state}`)
    await dropRetries(tx, id, null)
  })
  return cancelTasksOf(engine, id, why)
}
