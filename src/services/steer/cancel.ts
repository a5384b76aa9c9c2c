import { fault } from '../../contract/faults.ts'
import type { Touches } from '../../contract/workflows.ts'
import { type JobState, jobTable } from '../../domain/job/states.ts'
import { type TaskState, taskHasEnded } from '../../domain/task/states.ts'
import { workflowHasEnded } from '../../domain/workflow/states.ts'
import { showId } from '../../lib/ids.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import { touchTaskCount } from '../../store/counters.ts'
import type { Db } from '../../store/db.ts'
import * as jobs from '../../store/jobs.ts'
import { heldOf } from '../../store/pilots.ts'
import { dropRetries, takeRetryTurn } from '../../store/retry.ts'
import * as tasks from '../../store/tasks.ts'
import { taskProgress } from '../../store/views.ts'
import { workflowById } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { cancelDeferred } from '../jobs/deferred.ts'
import { cancelledResult, moveJobs } from '../jobs/moveJobs.ts'
import { moveTasks } from '../jobs/moveTasks.ts'
import { touchesOfJob, touchesOfTask } from '../views/touches.ts'

export type Cancelled = { cancelled: number; asked: number; touches?: Touches }

/** What can still be cancelled: a job at rest has nothing to cancel. */
const cancellable = [
  ...new Set([...statesLeftBy(jobTable, 'cancelAsked'), ...statesLeftBy(jobTable, 'cancelConfirmed')]),
]

/** Only what it would touch, when it can be done. */
const previewed = (touches: Touches): Cancelled => ({ cancelled: 0, asked: 0, touches })

export const cancelTask = async (
  engine: Engine,
  principal: Principal,
  id: number,
  why: string,
  preview = false,
): Promise<Cancelled> => {
  const facts = (await engine.tasks.get([id])).get(id)
  demand(principal, 'write', facts, 'task_unknown')
  if (preview) {
    const [task] = await taskProgress(engine.db, [id])
    if (taskHasEnded(task!.state)) throw fault('not_cancellable', `${showId('t', id)} has ended`)
    return previewed(await touchesOfTask(engine, id, 'cancel'))
  }
  const aborting = await abortTask(engine, id, why)
  if (!aborting) throw fault('not_cancellable', `${showId('t', id)} has ended`)
  return cancelJobsOf(engine, id, why, { of: 'aborting' })
}

export const cancelJob = async (
  engine: Engine,
  principal: Principal,
  id: number,
  why: string,
  preview = false,
): Promise<Cancelled> => {
  const taskId = await jobs.taskOfJob(engine.db, id)
  const facts = taskId === undefined ? undefined : (await engine.tasks.get([taskId])).get(taskId)
  demand(principal, 'write', facts, 'job_unknown')
  if (preview) {
    const touches = await touchesOfJob(engine, id, 'cancel')
    if (touches.jobs.total === 0) throw fault('not_cancellable', `${showId('j', id)} has ended`)
    return previewed(touches)
  }
  const result = await transact(engine, (tx, effects) => cancelLocked(engine, tx, effects, [id], why))
  if (result.cancelled + result.asked === 0) throw fault('not_cancellable', `${showId('j', id)} has ended`)
  return result
}

/** Everything of a workflow that has ended and that is under way still, task by task. */
export const cancelTasksOf = async (engine: Engine, workflowId: number, why: string): Promise<Cancelled> => {
  const sum = { cancelled: 0, asked: 0 }
  for (let after = 0; ; ) {
    const some = await tasks.tasksOfWorkflow(engine.db, workflowId, after, 200)
    for (const { id, state } of some) {
      if (taskHasEnded(state) || !(await abortTask(engine, id, why, workflowId))) continue
      const { cancelled, asked } = await cancelJobsOf(engine, id, why, { of: 'aborting' })
      sum.cancelled += cancelled
      sum.asked += asked
    }
    if (some.length < 200) return sum
    after = some[some.length - 1]!.id
  }
}

/**
 * First the task, so that no job comes after. False when there is nothing left to cancel: its jobs have ended, and the next fold will say so of the task. `endedId`: the workflow for whose
 * end this is done; when that is under way again, since somebody has retried it, there is nothing to cancel either.
 */
const abortTask = (engine: Engine, id: number, why: string, endedId?: number): Promise<boolean> =>
  transact(engine, async (tx, effects) => {
    const { workflowId } = (await engine.tasks.get([id], tx)).get(id)!
    await takeRetryTurn(tx, workflowId)
    const [task] = await tasks.lockTasks(tx, [id])
    if (endedId !== undefined && !workflowHasEnded((await workflowById(tx, endedId))!.state)) return false
    if (task!.state === 'aborting') return true
    const left = await jobs.jobsOfTask(tx, id, cancellable, -1, 1)
    if (task!.closed && left.length === 0) return false
    const moved = await moveTasks(engine, tx, effects, [{ task: task!, trigger: 'cancelAsked', why }])
    if (moved.length === 0) return false
    await dropRetries(tx, workflowId, id)
    await touchTaskCount(tx, id)
    effects.ring('agent:fold')
    return true
  })

/** What nobody has begun of a task that was stopped. `pages`: so many at most, for who cannot wait for the end of a million. */
export const cancelWaitingOf = (
  engine: Engine,
  taskId: number,
  why: string,
  pages = Number.POSITIVE_INFINITY,
): Promise<Cancelled> => cancelJobsOf(engine, taskId, why, { of: 'finishing', states: ['pending', 'activated'], pages })

/** `of`: the task is in that state. When it has left that, all of it had ended, and what is under way now somebody has retried. */
const cancelJobsOf = async (
  engine: Engine,
  taskId: number,
  why: string,
  {
    of,
    states = cancellable,
    pages = Number.POSITIVE_INFINITY,
  }: { of: TaskState; states?: JobState[]; pages?: number },
): Promise<Cancelled> => {
  const page = engine.limits.jobsAtOnce
  const sum = { cancelled: 0, asked: 0 }
  for (let after = -1, n = 1; ; n++) {
    const some = await jobs.jobsOfTask(engine.db, taskId, states, after, page)
    if (some.length > 0) {
      const { cancelled, asked } = await transact(engine, (tx, effects) =>
        cancelLocked(
          engine,
          tx,
          effects,
          some.map((j) => j.id),
          why,
          { taskId, of },
        ),
      )
      sum.cancelled += cancelled
      sum.asked += asked
    }
    if (some.length < page || n >= pages) return sum
    after = some[some.length - 1]!.index
  }
}

/** What a pilot holds is asked for, and keeps its state until the pilot confirms or its lease ends; the rest is cancelled now. */
const cancelLocked = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  ids: number[],
  why: string,
  task?: { taskId: number; of: TaskState },
): Promise<Cancelled> => {
  const locked = await jobs.lockFamilies(tx, ids, engine.limits.jobsAtOnce)
  if (task && (await tasks.tasksIn(tx, [task.taskId], task.of)).length === 0) return { cancelled: 0, asked: 0 }
  const holds = await heldOf(tx, ids)
  const isHeld = new Set(holds.map((h) => h.jobId))
  // What a pilot has of a task that begins nothing more may end by itself.
  const toAsk = locked.filter(
    (job) => isHeld.has(job.id) && cancellable.includes(job.state) && !job.cancelAsked && task?.of !== 'finishing',
  )
  if (toAsk.length > 0)
    await jobs.askCancel(
      tx,
      toAsk.map((job) => job.id),
    )
  for (const pilotId of new Set(holds.map((h) => h.pilotId))) effects.ring(`pilot:${pilotId}`)
  const [deferred, waiting] = [true, false].map((is) =>
    locked.filter((job) => !isHeld.has(job.id) && (job.state === 'holding') === is),
  )
  const ended = await cancelDeferred(engine, tx, effects, deferred!, why)
  const moved = await moveJobs(
    engine,
    tx,
    effects,
    waiting!.map((job) => ({ job, trigger: 'cancelAsked', why, result: cancelledResult(why) })),
  )
  return { cancelled: ended.length + moved.length, asked: toAsk.length }
}
