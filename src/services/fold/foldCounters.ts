import { type TaskTrigger, taskHasEnded, taskTable } from '../../domain/task/states.ts'
import { workflowHasEnded } from '../../domain/workflow/states.ts'
import { showId } from '../../lib/ids.ts'
import { step } from '../../lib/machine.ts'
import { hasBegun, taskTriggerOf } from '../../policy/advance/ends.ts'
import { type FoldedTask, foldTaskDeltas, takeFoldLock } from '../../store/counters.ts'
import type { Db } from '../../store/db.ts'
import * as store from '../../store/tasks.ts'
import { addWorkflowCounts, workflowStates } from '../../store/workflows.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { moveTasks } from '../jobs/moveTasks.ts'
import { cancelTasksOf, cancelWaitingOf } from '../steer/cancel.ts'
import { pauseInHeld } from '../steer/sweeps.ts'
import { endIfOver } from '../workflows/workflows.ts'
import { keepCurves } from './curves.ts'
import { type EndedTask, tellTaskChildren } from './taskChildren.ts'

const page = 2000

const nothingFolded = { wasFull: false, orphaned: [], inHeld: new Map<number, number[]>(), stopped: [] }

/**
 * Folds a page of appended deltas into the counters, and lets what they say follow: tasks start and end, tasks that waited for them are released, workflows
 * without a driver end. True when the page was full, so that there is probably more.
 */
export const foldCounters = async (engine: Engine): Promise<boolean> => {
  const { wasFull, orphaned, inHeld, stopped } = await transact(engine, async (tx, effects) => {
    if (!(await takeFoldLock(tx))) return nothingFolded
    const { deltas, folded } = await foldTaskDeltas(tx, page)
    if (folded.length === 0) return nothingFolded
    const ended = await moveFolded(engine, tx, effects, folded)
    await countTasks(tx, folded, ended)
    await keepCurves(tx, folded, new Set(ended.map((task) => task.id)), engine.clock())
    await tellTaskChildren(engine, tx, effects, ended)
    const left = await endWorkflows(engine, tx, effects, ended)
    for (const { workflowId, taskId } of folded) effects.progress(workflowId, taskId)
    const { inEnded, inHeld } = await strays(tx, folded)
    return {
      wasFull: deltas === page,
      orphaned: [...left, ...inEnded],
      inHeld,
      stopped: leftOfStopped(folded),
    }
  })
  for (const workflowId of new Set(orphaned)) await cancelTasksOf(engine, workflowId, 'its workflow has ended')
  for (const [workflowId, taskIds] of inHeld)
    await transact(engine, (tx, effects) => pauseInHeld(engine, tx, effects, workflowId, taskIds))
  for (const taskId of stopped)
    await cancelWaitingOf(engine, taskId, `${showId('t', taskId)} was stopped: culm explain ${showId('t', taskId)}`)
  return wasFull
}

/** Tasks that begin no more jobs, and have some that wait: who stopped them cancelled the first page of those. */
const leftOfStopped = (folded: FoldedTask[]): number[] =>
  folded.filter((task) => task.state === 'finishing' && task.activated + task.pending > 0).map((task) => task.taskId)

/** First those that began, then those that ended: a short task does both within one fold, and its story tells both. */
const moveFolded = async (engine: Engine, tx: Db, effects: Effects, folded: FoldedTask[]): Promise<EndedTask[]> => {
  const stirred = folded.filter((task) => taskTriggerOf(task) !== null)
  if (stirred.length === 0) return []
  // Under the lock the state and `jobs` are the newest; the counters are ours alone.
  const fresh = new Map(
    (
      await store.lockTasks(
        tx,
        stirred.map((task) => task.taskId),
      )
    ).map((row) => [row.id, row]),
  )
  const moveThose = async (triggerOf: (task: FoldedTask) => TaskTrigger | null) => {
    const happenings = stirred.flatMap((task) => {
      const row = fresh.get(task.taskId)!
      // Jobs of it have come back of which these counters do not know yet.
      if (row.cameBack !== task.cameBack) return []
      const trigger = triggerOf({ ...task, state: row.state, isClosed: row.closed, jobs: row.jobs })
      return trigger ? [{ task: row, trigger, why: whyOf(task, trigger) }] : []
    })
    const moves = await moveTasks(engine, tx, effects, happenings)
    for (const { id, to } of moves) fresh.set(id, { ...fresh.get(id)!, state: to })
    return moves
  }
  await moveThose((task) => (task.state === 'ready' && hasBegun(task) ? 'started' : null))
  const ended = (await moveThose((task) => (task.isRetrying ? null : taskTriggerOf(task)))).filter((move) => move.ended)
  return ended.map(({ id, workflowId, trigger }) => ({ id, workflowId, trigger: trigger as TaskTrigger }))
}

const whyOf = ({ finished, failed, cancelled, jobs }: FoldedTask, trigger: TaskTrigger): string | null =>
  trigger === 'someFinished' || trigger === 'noneFinished'
    ? `finished ${finished}/${jobs}, ${failed} failed, ${cancelled} cancelled`
    : null

/** A task is counted as come when its first delta is folded, which its submission wrote. */
const countTasks = async (tx: Db, folded: FoldedTask[], ended: EndedTask[]) => {
  const byWorkflow = new Map<number, { workflowId: number; total: number; ended: number; failed: number }>()
  const of = (workflowId: number) => {
    const counts = byWorkflow.get(workflowId) ?? { workflowId, total: 0, ended: 0, failed: 0 }
    byWorkflow.set(workflowId, counts)
    return counts
  }
  for (const task of folded) if (task.isNew) of(task.workflowId).total++
  for (const { workflowId, trigger } of ended) {
    of(workflowId).ended++
    if (trigger !== 'allFinished') of(workflowId).failed++
  }
  if (byWorkflow.size > 0)
    await addWorkflowCounts(
      tx,
      [...byWorkflow.values()].sort((a, b) => a.workflowId - b.workflowId),
    )
}

/** Those whose function was a job that ended here: what it left under way is cancelled, as with a driver that ends. */
const endWorkflows = async (engine: Engine, tx: Db, effects: Effects, ended: EndedTask[]): Promise<number[]> => {
  const endedTasks = new Set(ended.map((task) => task.id))
  const left: number[] = []
  for (const workflowId of new Set(ended.map((task) => task.workflowId))) {
    const functionTask = await endIfOver(engine, tx, effects, workflowId)
    if (functionTask !== null && endedTasks.has(functionTask)) left.push(workflowId)
  }
  return left
}

/** A task may have slipped into a workflow while that ended or was paused: it is cancelled or paused, as the others were. */
const strays = async (tx: Db, folded: FoldedTask[]) => {
  const active = folded.filter((task) => !taskHasEnded(task.state) && task.state !== 'aborting')
  const workflows =
    active.length > 0 ? await workflowStates(tx, [...new Set(active.map((task) => task.workflowId))]) : []
  const pausable = active.filter((task) => step(taskTable, task.state, 'pauseAsked').kind === 'moved')
  const inHeld = new Map<number, number[]>()
  for (const { id } of workflows.filter((w) => w.held)) {
    const ids = pausable.filter((task) => task.workflowId === id).map((task) => task.taskId)
    if (ids.length > 0) inHeld.set(id, ids)
  }
  return { inEnded: workflows.filter((w) => workflowHasEnded(w.state)).map((w) => w.id), inHeld }
}
