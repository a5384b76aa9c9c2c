import type { JobState } from '../../domain/job/states.ts'
import { type TaskState, taskTable } from '../../domain/task/states.ts'
import { workflowHasEnded } from '../../domain/workflow/states.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import { touchTaskCount } from '../../store/counters.ts'
import type { Db } from '../../store/db.ts'
import * as jobs from '../../store/jobs.ts'
import { heldOf } from '../../store/pilots.ts'
import { dropRetries, takeRetryTurn } from '../../store/retry.ts'
import * as store from '../../store/sweeps.ts'
import * as tasks from '../../store/tasks.ts'
import { lockWorkflow } from '../../store/workflows.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { sweepChildren } from '../fold/taskChildren.ts'
import { makeReady } from '../jobs/moveJobs.ts'
import { moveTasks, type TaskHappening } from '../jobs/moveTasks.ts'

/** So many tasks in one transaction: it stays well below a second. */
const pageOfTasks = 200

/** So many pages are gone through by who asked; the rest is the agent's. */
const ownPages = 10

/** A task whose jobs may be claimed, but for a pause. */
const pausable: TaskState[] = statesLeftBy(taskTable, 'pauseAsked')

/** Where a job may be that waits, will wait, or may come back: locked, it is seen as whoever moves it just now leaves it. */
const mayWait: JobState[] = ['pending', 'activated', 'sent', 'starting', 'running', 'awaiting', 'holding']
const mayComeBack: JobState[] = [...mayWait, 'transferring', 'merging', 'failed', 'cancelled']

/**
 * A task that was paused, let go or given another priority says so at once; that what waits of it is held, may be claimed, or lies in its new place, is brought about here, a page at a
 * time, by who asked, and further by an agent. A page can be done twice, and by several at once: it goes by the state of its task under its lock (but for those of `taskChildren.ts`).
 */
export const sweepPage = async (engine: Engine, workflowId: number | null = null): Promise<boolean> => {
  const sweep = await store.nextSweep(engine.db, workflowId)
  if (!sweep) return false
  await transact(engine, (tx, effects) => doPage(sweep)(engine, tx, effects, sweep))
  return true
}

const doPage = ({ taskId, what }: store.SweepRow) => {
  if (what === 'release' || what === 'orphans') return sweepChildren
  return taskId === 0 ? sweepTasks : sweepJobs
}

/** What whoever has asked does of it himself. */
export const beginSweep = async (engine: Engine, workflowId: number): Promise<void> => {
  for (let n = 0; n < ownPages; n++) if (!(await sweepPage(engine, workflowId))) return
  engine.ring(['agent:sweeps'])
}

const sweepJobs = async (engine: Engine, tx: Db, effects: Effects, sweep: store.SweepRow): Promise<void> => {
  const { taskId, after, what } = sweep
  const states = what === 'pause' ? mayWait : mayComeBack
  const page = engine.limits.jobsAtOnce
  const some = await jobs.jobsOfTask(tx, taskId, states, after, page)
  const locked = await jobs.lockJobs(
    tx,
    some.map((job) => job.id),
  )
  const [task] = await tasks.lockTasks(tx, [taskId])
  await settleJobs(engine, tx, effects, task!, locked)
  if (some.length === page) return void (await store.moveOnSweep(tx, sweep, some.at(-1)!.index, engine.clock()))
  const isOver = (await store.dropSweep(tx, sweep)) > 0
  if (isOver && what === 'priority') await tasks.forgetFormerPriorities(tx, taskId)
}

/** Makes jobs agree with their task, all of them locked: those that wait are held, or may be claimed, each in its place. What a pilot has is left to it. */
export const settleJobs = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { state, formerPriorities }: tasks.TaskRow,
  locked: jobs.LockedJob[],
): Promise<void> => {
  const ids = (some: jobs.LockedJob[]) => some.map((job) => job.id)
  const atPilots = new Set((await heldOf(tx, ids(locked))).map((held) => held.jobId))
  const waits = (job: jobs.LockedJob) =>
    job.state === 'activated' && !atPilots.has(job.id) && (job.heldBy === null || job.heldBy === 'pause')
  if (formerPriorities) await jobs.removeReady(tx, ids(locked.filter((job) => !waits(job))))
  const waiting = locked.filter(waits)
  if (state === 'paused') {
    await jobs.removeReady(tx, ids(waiting))
    await jobs.holdForPause(tx, ids(waiting.filter((job) => job.heldBy === null)))
  } else if (pausable.includes(state)) {
    const back = ids(formerPriorities ? waiting : waiting.filter((job) => job.heldBy === 'pause'))
    await jobs.clearHeldBy(tx, back)
    await makeReady(engine, tx, effects, back)
  }
}

const sweepTasks = async (engine: Engine, tx: Db, effects: Effects, sweep: store.SweepRow): Promise<void> => {
  const { workflowId, after, what, priority, why } = sweep
  if (what === 'finish') await takeRetryTurn(tx, workflowId)
  const some = await tasks.tasksOfWorkflow(tx, workflowId, Math.max(after, 0), pageOfTasks)
  const locked = await tasks.lockTasks(
    tx,
    some.map((task) => task.id),
  )
  const { held, state } = (await lockWorkflow(tx, workflowId))!
  if (!workflowHasEnded(state)) {
    if (what === 'finish') await finishTasks(engine, tx, effects, locked, why)
    else if (what === 'priority') await giveTasksPriority(engine, tx, effects, locked, priority!, why)
    else if (held) await pauseTasks(engine, tx, effects, locked, why)
    else await resumeTasks(engine, tx, effects, locked, why)
  }
  if (some.length === pageOfTasks) await store.moveOnSweep(tx, sweep, some.at(-1)!.id, engine.clock())
  else await store.dropSweep(tx, sweep)
}

/** Tasks that are locked; those of them that can be paused. */
export const pauseTasks = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  locked: tasks.TaskRow[],
  why: string,
): Promise<number[]> => {
  const happenings = locked.map((task): TaskHappening => ({ task, trigger: 'pauseAsked', why }))
  const ids = (await moveTasks(engine, tx, effects, happenings)).map((move) => move.id)
  await askFor(engine, tx, locked, ids, why)
  return ids
}

/** They return to where they came from, unless what they waited for has come meanwhile. */
export const resumeTasks = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  locked: tasks.TaskRow[],
  why: string,
): Promise<number[]> => {
  const paused = locked.filter((task) => task.state === 'paused')
  const moves = await moveTasks(
    engine,
    tx,
    effects,
    paused.map((task) => ({ task, trigger: 'resumed', why })),
  )
  const onward = paused.flatMap((task): TaskHappening[] => {
    const there = { ...task, state: 'ready' as const }
    if (task.unmet > 0) return [{ task: there, trigger: 'mustWait' }]
    return task.cameFrom === 'running' ? [{ task: there, trigger: 'started' }] : []
  })
  await moveTasks(engine, tx, effects, onward)
  const ids = moves.map((move) => move.id)
  await askFor(engine, tx, locked, ids, why)
  return ids
}

export const giveTasksPriority = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  locked: tasks.TaskRow[],
  priority: number,
  why: string,
): Promise<number[]> => {
  const others = locked.filter((task) => task.priority !== priority)
  const moves = await moveTasks(
    engine,
    tx,
    effects,
    others.map((task) => ({ task, trigger: 'reprioritised', why: `${task.priority} → ${priority}, ${why}` })),
  )
  const ids = moves.map((move) => move.id)
  if (ids.length === 0) return ids
  await tasks.setPriority(tx, ids, priority)
  effects.afterwards(() => engine.tasks.forget(ids))
  await askFor(engine, tx, locked, ids, why, 'priority')
  return ids
}

/** They take no more jobs and begin none. What waits of them is cancelled afterwards: by who asked, and by the agent that folds their counters. */
export const finishTasks = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  locked: tasks.TaskRow[],
  why: string,
): Promise<void> => {
  const happenings = locked.map((task): TaskHappening => ({ task, trigger: 'finishAsked', why }))
  for (const { id, workflowId } of await moveTasks(engine, tx, effects, happenings)) {
    await tasks.closeTask(tx, id)
    await dropRetries(tx, workflowId, id)
    await touchTaskCount(tx, id)
  }
  effects.ring('agent:fold')
}

const askFor = async (
  engine: Engine,
  tx: Db,
  locked: tasks.TaskRow[],
  taskIds: number[],
  why: string,
  what: store.SweepKind = 'pause',
): Promise<void> => {
  if (taskIds.length === 0) return
  const { workflowId } = locked[0]!
  await store.askSweeps(tx, { workflowId, taskIds, what, priority: null, why, now: engine.clock() })
}

/** Tasks that came, or came back, into a workflow that a person holds: they are paused, as the others were. */
export const pauseInHeld = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  workflowId: number,
  taskIds: number[],
): Promise<tasks.TaskRow[]> => {
  const locked = await tasks.lockTasks(tx, taskIds)
  if (!(await lockWorkflow(tx, workflowId))?.held) return []
  const paused = new Set(await pauseTasks(engine, tx, effects, locked, 'its workflow is paused'))
  effects.ring('agent:sweeps')
  return locked.filter((task) => paused.has(task.id)).map((task) => ({ ...task, state: 'paused' as const }))
}
