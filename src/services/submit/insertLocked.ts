import type { NewTask, Payload } from '../../contract/tasks.ts'
import { taskHasEnded } from '../../domain/task/states.ts'
import type { Db } from '../../store/db.ts'
import { insertTaskEdges } from '../../store/edges.ts'
import { jobIdsFrom, lockJobs } from '../../store/jobs.ts'
import { type InsertedTask, insertTasks, type NewCallRow, type NewTaskRow, type TaskRow } from '../../store/tasks.ts'
import { workflowById } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { reuseResults } from '../jobs/reuse.ts'
import { pauseInHeld, settleJobs } from '../steer/sweeps.ts'
import { addJobEdges, cancelOrphans, lockJobParents, lockTaskParents, unmetOf } from './edges.ts'
import { jobRows } from './rows.ts'

/** A workflow that a person holds takes tasks, and none of them begins. */
export const insertIfHeld = async (
  engine: Engine,
  principal: Principal,
  task: NewTask,
  row: NewTaskRow,
  call: NewCallRow | null,
): Promise<InsertedTask | null> =>
  (await workflowById(engine.db, row.workflowId))?.held ? insertLocked(engine, principal, task, row, call) : null

/** With edges or stored results, or into a workflow that is held. The parents are locked first, so that none can finish unseen between the look at it and the edge. */
export const insertLocked = (
  engine: Engine,
  principal: Principal,
  task: NewTask,
  row: NewTaskRow,
  call: NewCallRow | null,
) =>
  transact(engine, async (tx, effects) => {
    const parents = await lockJobParents(tx, principal, task.jobs)
    const parentTasks = await lockTaskParents(tx, principal, task.after ?? [])
    const waitingTasks = parentTasks.filter((t) => t.state !== 'done')
    const base = waitingTasks.length > 0 ? 1 : 0
    const unmets = task.jobs.map((job) => base + unmetOf(job, parents))
    const rows = { ...jobRows(task.jobs), states: unmets.map((n) => (n > 0 ? 'pending' : 'activated')), unmets }
    const state = base ? 'pending' : row.state
    const [made] = await insertTasks(
      tx,
      [{ row: { ...row, state, unmet: waitingTasks.length }, call, jobs: rows }],
      engine.clock(),
      [],
      true,
    )
    if (!made) return null
    effects.afterwards(() => engine.tasks.keep({ ...row, id: made.taskId }))
    if (parentTasks.length > 0)
      await insertTaskEdges(
        tx,
        made.taskId,
        parentTasks.map((t) => ({ id: t.id, released: t.state === 'done' })),
      )
    await addJobEdges(engine, tx, effects, made.taskId, 0, task.jobs, parents)
    if (waitingTasks.some((t) => taskHasEnded(t.state)))
      await cancelOrphans(engine, tx, effects, {
        taskId: made.taskId,
        first: 0,
        parentIds: waitingTasks.map((t) => t.id),
      })
    const { ownerId } = row
    if (task.cache)
      await reuseResults(
        engine,
        tx,
        effects,
        { payload: JSON.parse(row.payload) as Payload, taskId: made.taskId, ownerId, common: task.common ?? null },
        0,
        task.jobs,
      )
    await holdNew(engine, tx, effects, row.workflowId, made.taskId)
    effects.afterwards(() => engine.lanes.enqueued(row.laneId, 0), `lane:${row.laneId}`)
    effects.ring('agent:fold')
    return made
  })

/** The jobs of a new task, if a person holds its workflow. */
const holdNew = async (engine: Engine, tx: Db, effects: Effects, workflowId: number, taskId: number): Promise<void> => {
  if (!(await workflowById(tx, workflowId))!.held) return
  const [paused] = await pauseInHeld(engine, tx, effects, workflowId, [taskId])
  if (paused) await settleFrom(engine, tx, effects, paused, 0)
}

/** Nobody else sees these jobs yet. */
export const settleFrom = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  task: TaskRow,
  first: number,
): Promise<void> => {
  const ids = (await jobIdsFrom(tx, task.id, first)).map((job) => job.id)
  await settleJobs(engine, tx, effects, task, await lockJobs(tx, ids))
}
