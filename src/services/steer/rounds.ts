import { type JobState, type JobTrigger, jobTable } from '../../domain/job/states.ts'
import { type TaskState, taskHasEnded, taskStates, taskTable } from '../../domain/task/states.ts'
import { workflowHasEnded } from '../../domain/workflow/states.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import { type LostJob, whoRunsAgain } from '../../policy/retry/round.ts'
import { touchTaskCount } from '../../store/counters.ts'
import type { Db } from '../../store/db.ts'
import { type LockedJob, lockJobs } from '../../store/jobs.ts'
import * as store from '../../store/retry.ts'
import { releaseOf } from '../../store/sweeps.ts'
import { lockTasks, type TaskRow } from '../../store/tasks.ts'
import { lockWorkflow } from '../../store/workflows.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { moveJobs } from '../jobs/moveJobs.ts'
import { moveTasks } from '../jobs/moveTasks.ts'
import { endIfOver, moveWorkflow } from '../workflows/workflows.ts'
import { pauseInHeld } from './sweeps.ts'

/** When nobody was at the retries of a workflow for so long, who had asked for them is gone, ms. */
const leftAfterMs = 10_000

export const retriableJobs: JobState[] = statesLeftBy(jobTable, 'retried')
export const retriableTasks: TaskState[] = statesLeftBy(taskTable, 'retried')

/** The states in which a task rests of itself: one that a person cancelled stays so, whatever comes back before it. */
const endedOfThemselves = retriableTasks.filter((state) => state !== 'aborted')

/** Where a task may be whose jobs were cancelled for what it waits for: it has ended for that, or is about to. */
const mayHaveOrphans = [
  ...endedOfThemselves,
  ...taskStates.filter((state) => !taskHasEnded(state) && state !== 'aborting' && state !== 'finishing'),
]

/** Goes on with the retries of a workflow whose asker is gone, to their end: a page at a look would be a page in ten seconds. */
export const goOnRetrying = async (engine: Engine): Promise<boolean> => {
  const since = new Date(engine.clock().getTime() - leftAfterMs)
  const workflowId = await store.leftRetrying(engine.db, since)
  if (workflowId === undefined) return false
  while ((await retryPage(engine, workflowId)) !== null);
  return true
}

/**
 * Takes what is on top of the stack of a workflow, and brings back one page of its jobs: what these had called comes first, so that no attempt is told of an earlier failure of it;
 * what was cancelled for them comes after. With the first of its jobs a task is under way again, and its workflow with that. Gives how many jobs came back; null when nothing is left.
 */
export const retryPage = (engine: Engine, workflowId: number): Promise<number | null> =>
  transact(engine, async (tx, effects) => {
    await store.takeRetryTurn(tx, workflowId)
    const top = await store.topRetry(tx, workflowId)
    if (!top) return null
    const { ids, last } = await nextPage(tx, top, engine.limits.jobsAtOnce)
    if (!top.callsAsked && (await askForCalls(engine, tx, top, ids))) return 0
    const again = await bringBack(engine, tx, effects, top, ids)
    if (last !== undefined) {
      await store.moveOnRetry(tx, { id: top.id, afterIndex: last, callsAsked: false, now: engine.clock() })
      await followUp(engine, tx, effects, top, again)
    } else {
      await store.dropRetry(tx, top.id)
      await followUp(engine, tx, effects, top, again)
      await leave(engine, tx, effects, top)
    }
    return again.length
  })

/** `last`: the index up to which that is all; undefined when nothing comes after. */
const nextPage = async (tx: Db, { taskId, jobId, orphans, afterIndex }: store.RetryRow, page: number) => {
  if (jobId !== null) return { ids: [jobId], last: undefined }
  const states = orphans ? retriableJobs.filter((state) => state === 'cancelled') : retriableJobs
  const lost = await store.lostJobs(tx, { taskId, orphans, states, afterIndex, limit: page })
  return { ids: lost.map((job) => job.id), last: lost.length === page ? lost.at(-1)!.index : undefined }
}

/** Whether there are calls to be looked at first. Those that are under way still may have failed in part already. */
const askForCalls = async (engine: Engine, tx: Db, top: store.RetryRow, ids: number[]): Promise<boolean> => {
  const calls = await store.callsOf(tx, top.workflowId, ids)
  if (calls.length === 0) return false
  const now = engine.clock()
  await store.moveOnRetry(tx, { id: top.id, afterIndex: top.afterIndex, callsAsked: true, now })
  const rows = calls.map(({ id }) => ({ taskId: id, jobId: null, orphans: false, why: top.why }))
  await store.pushRetries(tx, top.workflowId, rows, now)
  return true
}

/** Those of these jobs that can run again, once what they wait for has finished; their ids. Jobs are locked, then tasks, then the workflow, as everywhere. */
const bringBack = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { taskId, workflowId, orphans, why }: store.RetryRow,
  ids: number[],
): Promise<number[]> => {
  // With their parents, so that none of these ends unseen between the look at it and the wait for it.
  const before = await store.unreleasedParents(tx, ids)
  const locked = await lockJobs(tx, [...ids, ...before.map((edge) => edge.parentId)])
  const lost = locked.filter((job) => ids.includes(job.id) && retriableJobs.includes(job.state))
  const task = await lockWithParents(tx, taskId)
  const mayGoOn = !taskHasEnded(task.state) || (orphans ? endedOfThemselves : retriableTasks).includes(task.state)
  if (!mayGoOn || task.state === 'aborting' || task.state === 'finishing') return []
  const waits = await store.unreleasedParentTasks(tx, taskId)
  const isOrphan = waits.some((parent) => taskHasEnded(parent.state))
  const again = isOrphan ? [] : await choose(tx, lost, await jobsThatWait(tx, workflowId, taskId, waits.length > 0))
  const isCall = await isOfProgram(engine, tx, taskId)
  // A call may have been cancelled before all of it was there: its program will send the rest.
  const hasMore = isCall && !task.closed && !orphans && taskHasEnded(task.state)
  if (again.length === 0 && !hasMore) return []
  await store.beginRound(tx, taskId, again)
  await moveJobs(engine, tx, effects, happeningsOf(lost, again, why))
  if (taskHasEnded(task.state)) await reopenTask(engine, tx, effects, { task, close: !isCall, why })
  const isHeld = await reopenWorkflow(engine, tx, effects, workflowId, why)
  if (isHeld) await pauseInHeld(engine, tx, effects, workflowId, [taskId])
  return again.map((job) => job.id)
}

const lockWithParents = async (tx: Db, taskId: number): Promise<TaskRow> => {
  const parents = await store.unreleasedParentTasks(tx, taskId)
  const locked = await lockTasks(tx, [taskId, ...parents.map((parent) => parent.id)])
  return locked.find((task) => task.id === taskId)!
}

/** Which jobs of a task wait for other tasks: all, while it does; once it is released, those that this has not come to yet. */
const jobsThatWait = async (
  tx: Db,
  workflowId: number,
  taskId: number,
  taskWaits: boolean,
): Promise<(job: LockedJob) => boolean> => {
  const release = await releaseOf(tx, workflowId, taskId)
  return ({ index }) => taskWaits || (release !== undefined && index > release.after && index <= release.until)
}

const choose = async (tx: Db, lost: LockedJob[], waits: (job: LockedJob) => boolean) => {
  const parents = await store.unreleasedParents(
    tx,
    lost.map((job) => job.id),
  )
  const jobs = new Map(
    lost.map((job): [number, LostJob] => [job.id, { id: job.id, waitsForTasks: waits(job), parents: [] }]),
  )
  for (const { childId, parentId, state } of parents)
    jobs.get(childId)!.parents.push({ id: parentId, isLost: retriableJobs.includes(state) })
  return whoRunsAgain([...jobs.values()])
}

const happeningsOf = (lost: LockedJob[], again: { id: number; unmet: number }[], why: string) => {
  const jobs = new Map(lost.map((job) => [job.id, job]))
  return again.map(({ id, unmet }) => ({
    job: jobs.get(id)!,
    trigger: (unmet > 0 ? 'retriedAhead' : 'retried') satisfies JobTrigger as JobTrigger,
    why,
  }))
}

/** A task that nobody but people look at takes no more jobs once it has ended: who would have sent them is gone. */
const reopenTask = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { task, close, why }: { task: TaskRow; close: boolean; why: string },
): Promise<void> => {
  const [moved] = await moveTasks(engine, tx, effects, [{ task, trigger: 'retried', why }])
  if (task.unmet > 0)
    await moveTasks(engine, tx, effects, [{ task: { ...task, state: moved!.to }, trigger: 'mustWait' }])
  await store.reopenTask(tx, task.id, close)
}

/** Whether a program asked for this task: a driver, or a job. */
const isOfProgram = async (engine: Engine, tx: Db, taskId: number): Promise<boolean> => {
  const { parentJobId, workflowId } = (await engine.tasks.get([taskId], tx)).get(taskId)!
  return parentJobId !== null || (await engine.workflows.get(workflowId))!.kind !== 'tasks'
}

/** True when a person holds it. */
const reopenWorkflow = async (engine: Engine, tx: Db, effects: Effects, id: number, why: string): Promise<boolean> => {
  const row = (await lockWorkflow(tx, id))!
  if (!workflowHasEnded(row.state)) return row.held
  await moveWorkflow(engine, tx, effects, row, 'retried', why)
  await store.reopenWorkflow(tx, id)
  return false
}

/** What was cancelled for these jobs comes back after them, wherever it is. */
const followUp = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { workflowId, taskId, jobId, why }: store.RetryRow,
  again: number[],
) => {
  // Those of its own task come with its later pages.
  const tasks = (await store.tasksOfOrphans(tx, again)).filter((id) => id !== taskId || jobId !== null)
  await pushOrphans(engine, tx, effects, workflowId, tasks, why)
}

/** Each to the retries of its own workflow, which is under way again with it. Those of other workflows nobody has asked for, so the agent goes on with them. */
const pushOrphans = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  workflowId: number,
  taskIds: number[],
  why: string,
): Promise<void> => {
  const facts = await engine.tasks.get(taskIds, tx)
  const workflowOf = (taskId: number) => facts.get(taskId)!.workflowId
  for (const id of new Set(taskIds.map(workflowOf))) {
    const own = taskIds.filter((taskId) => workflowOf(taskId) === id)
    const rows = own.map((taskId) => ({ taskId, jobId: null, orphans: true, why }))
    await store.pushRetries(tx, id, rows, id === workflowId ? engine.clock() : longAgo)
    if (id !== workflowId) effects.ring('agent:retries')
  }
}

const longAgo = new Date(0)

/** All of it has come back: tasks that had been cancelled for its task come after, if that may still be done; and both may end again. */
const leave = async (engine: Engine, tx: Db, effects: Effects, { workflowId, taskId, why }: store.RetryRow) => {
  const [task] = await lockTasks(tx, [taskId])
  if (!taskHasEnded(task!.state)) {
    const mayBeDone = (await store.lostOfTask(tx, taskId)) === 0
    if (mayBeDone)
      await pushOrphans(engine, tx, effects, workflowId, await store.childTasksIn(tx, taskId, mayHaveOrphans), why)
    await touchTaskCount(tx, taskId)
  }
  effects.ring('agent:fold')
  if (!(await store.isRetrying(tx, workflowId, null))) await endIfOver(engine, tx, effects, workflowId)
}
