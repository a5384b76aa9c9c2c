import { fault } from '../../contract/faults.ts'
import type { NewJob, Payload, SubmittedTask } from '../../contract/tasks.ts'
import { taskHasEnded } from '../../domain/task/states.ts'
import { showId } from '../../lib/ids.ts'
import { waitsForTasks } from '../../store/edges.ts'
import { insertJobs, lockOpenTask, lockTasks, type TaskFacts } from '../../store/tasks.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { reuseResults } from '../jobs/reuse.ts'
import { sentValue } from '../values.ts'
import { driverReplaced } from '../workflows/journal.ts'
import { checkTexts } from './checks.ts'
import { addJobEdges, cancelOrphans, lockJobParents, unmetOf } from './edges.ts'
import { settleFrom } from './insertLocked.ts'
import { jobRows, showJob } from './rows.ts'

/** Adds jobs to an open task. A part that came before is known by its place, and adds nothing. */
export const addJobs = async (
  engine: Engine,
  principal: Principal,
  taskId: number,
  body: { firstIndex: number; jobs: NewJob[]; close: boolean; epoch?: number },
): Promise<SubmittedTask> => {
  const facts = (await engine.tasks.get([taskId])).get(taskId)
  const owned = demand(principal, 'write', facts && { ...facts }, 'task_unknown')
  checkTexts(body)
  return transact(engine, async (tx, effects) => {
    const parents = await lockJobParents(tx, principal, body.jobs)
    // Locked, so that none can end unseen between the look at it and the jobs that wait for it.
    const parentTasks = await lockTasks(tx, await waitsForTasks(tx, taskId))
    const open = (await lockOpenTask(tx, taskId))!
    const { jobs: have, closed, unmet, state, laneId, priority, driverEpoch } = open
    if (body.epoch !== undefined && principal.kind === 'user' && body.epoch !== driverEpoch)
      throw driverReplaced(owned.workflowId, driverEpoch, body.epoch)
    const repeated = body.firstIndex + body.jobs.length <= have
    const reply = {
      taskId: showId('t', taskId),
      firstJobId: null,
      lastJobId: null,
      jobs: body.jobs.length,
      known: repeated,
    }
    if (repeated) return reply
    if (closed || taskHasEnded(state) || state === 'aborting' || state === 'finishing')
      throw fault('task_closed', `${showId('t', taskId)} is ${closed ? 'closed' : state}`)
    if (body.firstIndex !== have)
      throw fault(
        'jobs_out_of_order',
        `the next job of ${showId('t', taskId)} has index ${have}, not ${body.firstIndex}`,
        {
          nextIndex: have,
        },
      )
    const base = unmet > 0 ? 1 : 0
    const unmets = body.jobs.map((job) => base + unmetOf(job, parents))
    const rows = { ...jobRows(body.jobs), states: unmets.map((n) => (n > 0 ? 'pending' : 'activated')), unmets }
    const made = await insertJobs(
      tx,
      { taskId, workflowId: owned.workflowId, laneId, priority, first: have, close: body.close },
      rows,
    )
    await addJobEdges(engine, tx, effects, taskId, have, body.jobs, parents)
    const lost = parentTasks.filter((t) => taskHasEnded(t.state) && t.state !== 'done').map((t) => t.id)
    if (lost.length > 0) await cancelOrphans(engine, tx, effects, { taskId, first: have, parentIds: lost })
    if (owned.cache) await reuseResults(engine, tx, effects, reusable(owned), have, body.jobs)
    if (state === 'paused') await settleFrom(engine, tx, effects, open, have)
    effects.afterwards(() => engine.lanes.enqueued(owned.laneId, 0), `lane:${owned.laneId}`)
    effects.ring('agent:fold')
    return { ...reply, firstJobId: showJob(made!.firstJobId), lastJobId: showJob(made!.lastJobId) }
  })
}

const reusable = ({ id, ownerId, payload, common, commonBlob, commonBytes }: TaskFacts) => ({
  taskId: id,
  ownerId,
  payload: JSON.parse(payload) as Payload,
  common: sentValue(common, commonBlob, commonBytes),
})
