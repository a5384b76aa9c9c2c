import { fault } from '../../contract/faults.ts'
import type { FunctionTask, NewTask, SubmittedTask } from '../../contract/tasks.ts'
import { readId, showId } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import { insertTasks, knownCall, type NewCallRow } from '../../store/tasks.ts'
import type { Principal } from '../access/authenticate.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { refuseDriver, scopeOf } from '../workflows/journal.ts'
import { checkTask, mayAddTo } from './checks.ts'
import { insertPlain } from './insertAtOnce.ts'
import { insertIfHeld, insertLocked } from './insertLocked.ts'
import { jobRows, laneFor, rowOf, showJob, type TaskOwner } from './rows.ts'

/**
 * Takes a task with its jobs. Without edges it is one statement: one trip, one commit, and whoever waits for work is woken. A call that the journal knows
 * already gives the same task again, so a repeated request has one effect.
 */
export const submitTask = async (
  engine: Engine,
  principal: Principal,
  task: NewTask,
  trace: string | null = null,
): Promise<SubmittedTask> => {
  const workflowId = readId('w', task.workflowId)!
  const workflow = await mayAddTo(engine, principal, workflowId)
  await checkTask(engine, principal, task)
  if (task.call?.seen?.includes('\u0000')) throw fault('invalid_text', 'call.seen holds a raw NUL')
  const laneId = await laneFor(engine, task)
  const row = rowOf(principal, task, workflow, laneId, trace)
  const call = task.call
    ? { scope: scopeOf(principal), key: task.call.key, epoch: task.call.epoch, seen: task.call.seen ?? null }
    : null
  const hasEdges = (task.after?.length ?? 0) > 0 || task.jobs.some((j) => j.after && j.after.length > 0)
  const made =
    hasEdges || task.cache
      ? await insertLocked(engine, principal, task, row, call)
      : ((await insertPlain(engine, { row, call, jobs: jobRows(task.jobs) })) ??
        (await insertIfHeld(engine, principal, task, row, call)))
  if (made)
    return {
      taskId: showId('t', made.taskId),
      firstJobId: showJob(made.firstJobId),
      lastJobId: showJob(made.lastJobId),
      jobs: task.jobs.length,
      known: false,
    }
  return knownOrRefused(engine, workflowId, call)
}

/**
 * Checks the task of a workflow function that is to run as a job, and gives what inserts it in the transaction that makes its workflow: neither is ever there without the other.
 */
export const checkFunctionTask = async (
  engine: Engine,
  principal: Principal,
  { args, ...rest }: FunctionTask,
  trace: string | null,
): Promise<(tx: Db, effects: Effects, workflow: TaskOwner) => Promise<void>> => {
  const task = { ...rest, jobs: [{ args }], open: false }
  await checkTask(engine, principal, task)
  const laneId = await laneFor(engine, task)
  return async (tx, effects, workflow) => {
    const row = rowOf(principal, task, workflow, laneId, trace)
    const [made] = await insertTasks(tx, [{ row, call: null, jobs: jobRows(task.jobs) }], engine.clock())
    effects.afterwards(() => engine.tasks.keep({ ...row, id: made!.taskId }))
    effects.afterwards(() => engine.lanes.enqueued(laneId, 0), `lane:${laneId}`)
    effects.ring('agent:fold')
  }
}

/** Nothing was written: the journal has the call, or the workflow takes no more, or a newer driver runs it. */
const knownOrRefused = async (engine: Engine, workflowId: number, call: NewCallRow | null): Promise<SubmittedTask> => {
  const known = call && (await knownCall(engine.db, workflowId, call.scope, call.key))
  if (known && (call.scope !== 0 || call.epoch === known.driverEpoch))
    return {
      taskId: showId('t', known.taskId),
      firstJobId: showJob(known.firstJobId),
      lastJobId: showJob(known.lastJobId),
      jobs: known.jobs,
      known: true,
    }
  return refuseDriver(engine, workflowId, call?.epoch)
}
