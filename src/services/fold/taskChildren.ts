import { type TaskTrigger, taskHasEnded } from '../../domain/task/states.ts'
import { splitBySize } from '../../policy/advance/atOnce.ts'
import type { Db } from '../../store/db.ts'
import { pendingJobsOf, releaseTaskEdges, type TaskEdge, taskChildren, tasksFreedBy } from '../../store/edges.ts'
import { lockJobs } from '../../store/jobs.ts'
import { takeRetryTurn, unreleasedParentTasks } from '../../store/retry.ts'
import * as sweeps from '../../store/sweeps.ts'
import { lockTasks, type TaskSize, taskSizes } from '../../store/tasks.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { cancelForParent, releaseJobs } from '../jobs/moveJobs.ts'
import { moveTasks, type TaskHappening } from '../jobs/moveTasks.ts'
import { tasksDidNotEndWell } from '../submit/edges.ts'

export type EndedTask = { id: number; workflowId: number; trigger: TaskTrigger }

/**
 * Tasks that waited for these: released when these are done, cancelled when they ended otherwise. The jobs of small ones follow at once; a large one is gone through afterwards, since
 * whoever folds counters keeps everybody else from it: moving a hundred thousand jobs takes four seconds, and fifteen on a busy machine (measured).
 */
export const tellTaskChildren = async (engine: Engine, tx: Db, effects: Effects, ended: EndedTask[]): Promise<void> => {
  if (ended.length === 0) return
  const done = new Set(ended.filter((task) => task.trigger === 'allFinished').map((task) => task.id))
  const edges = await taskChildren(
    tx,
    ended.map((task) => task.id),
  )
  const lost = edges.filter(({ parentId }) => !done.has(parentId))
  const good = edges.filter(({ parentId }) => done.has(parentId))
  if (lost.length > 0) await cancelTasks(engine, tx, effects, lost)
  if (good.length > 0) await releaseTasks(engine, tx, effects, good)
}

const cancelTasks = async (engine: Engine, tx: Db, effects: Effects, lost: TaskEdge[]): Promise<void> => {
  const parents = new Map<number, number[]>(lost.map(({ childId }) => [childId, []]))
  for (const { childId, parentId } of lost) parents.get(childId)!.push(parentId)
  const whyOf = (taskId: number) => tasksDidNotEndWell(parents.get(taskId)!)
  const { atOnce, later } = splitBySize(await taskSizes(tx, [...parents.keys()]), engine.limits.jobsAtOnce)
  const jobs = await pendingJobsOf(tx, idsOf(atOnce))
  await cancelForParent(engine, tx, effects, jobs, ({ taskId }) => whyOf(taskId))
  for (const task of later) await askSweep(engine, tx, effects, task, 'orphans', whyOf(task.id))
}

/** One wait less for each edge; what waits for nothing more may begin. Jobs are locked before their tasks, as everywhere. */
const releaseTasks = async (engine: Engine, tx: Db, effects: Effects, edges: TaskEdge[]): Promise<void> => {
  const free = await tasksFreedBy(tx, edges)
  const { atOnce, later } = splitBySize(await taskSizes(tx, free), engine.limits.jobsAtOnce)
  const jobs = await lockJobs(tx, await pendingJobsOf(tx, idsOf(atOnce)))
  const tasks = await lockTasks(tx, [...new Set(edges.map((edge) => edge.childId))])
  await releaseTaskEdges(tx, edges)
  const isFree = new Set(free)
  const happenings = tasks
    .filter((task) => isFree.has(task.id))
    .map((task): TaskHappening => ({ task, trigger: 'parentsReleased' }))
  await moveTasks(engine, tx, effects, happenings)
  await releaseJobs(engine, tx, effects, waitsOf(idsOf(jobs)))
  for (const task of later) await askSweep(engine, tx, effects, task, 'release', 'what it waited for is done')
}

/** Those that it has by now: who adds jobs to it waits for the locks of what it waits for, which are ours, and finds it free. */
const askSweep = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { id, workflowId, jobs }: TaskSize,
  what: 'release' | 'orphans',
  why: string,
): Promise<void> => {
  const until = jobs - 1
  await sweeps.askSweeps(tx, { workflowId, taskIds: [id], what, until, priority: null, why, now: engine.clock() })
  effects.ring('agent:sweeps')
}

/** Their task waits no more, which each of them had counted as one. */
const waitsOf = (jobIds: readonly number[]) => jobIds.map((jobId) => ({ jobId, n: 1 }))

/**
 * One page of a large task that waited for others. The first to come does it, and only once, since each of its jobs counts that wait. Retries of its workflow stand aside, so that what
 * they bring back knows how far this has come.
 */
export const sweepChildren = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  sweep: sweeps.SweepRow,
): Promise<void> => {
  await takeRetryTurn(tx, sweep.workflowId)
  if (!(await sweeps.isStillThere(tx, sweep))) return
  if (sweep.what === 'orphans' && !(await isOrphan(tx, sweep.taskId))) return void (await sweeps.dropSweep(tx, sweep))
  const page = engine.limits.jobsAtOnce
  const some = await sweeps.pendingJobs(tx, sweep, page)
  const ids = some.map((job) => job.id)
  if (sweep.what === 'release') await releaseJobs(engine, tx, effects, waitsOf(ids))
  else await cancelForParent(engine, tx, effects, ids, () => sweep.why)
  if (some.length === page) await sweeps.moveOnSweep(tx, sweep, some.at(-1)!.index, engine.clock())
  else await sweeps.dropSweep(tx, sweep)
}

/** Whether it waits for one that ended otherwise than well, and was not retried since. */
const isOrphan = async (tx: Db, taskId: number): Promise<boolean> =>
  (await unreleasedParentTasks(tx, taskId)).some(({ state }) => taskHasEnded(state))

const idsOf = (some: readonly { id: number }[]): number[] => some.map(({ id }) => id)
