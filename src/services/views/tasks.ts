import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import type { jobQuery } from '../../contract/jobs.ts'
import type { Task, taskQuery } from '../../contract/tasks.ts'
import { readId, showId } from '../../lib/ids.ts'
import * as lists from '../../store/lists.ts'
import * as store from '../../store/views.ts'
import { attemptLimits } from '../attemptLimits.ts'
import type { Principal } from '../authenticate.ts'
import type { Engine } from '../engine.ts'
import { outcomeOf } from '../moveJobs.ts'
import { demand, experimentOf } from '../rights.ts'
import { filterOf, largestInteger, pageOf, pageOfIds, readAfter } from './pages.ts'
import { showCounts } from './workflows.ts'

export const listTasks = async (engine: Engine, principal: Principal, q: z.output<typeof taskQuery>) =>
  pageOfIds(await idsOf(engine, principal, q), q.limit, (ids) => store.taskViews(engine.db, ids), showTask)

const idsOf = async ({ db }: Engine, principal: Principal, q: z.output<typeof taskQuery>): Promise<number[]> => {
  const asked = q.workflowId ? readId('w', q.workflowId)! : null
  if (principal.kind === 'job' && asked !== null && asked !== principal.workflowId) throw fault('workflow_unknown')
  const { filter, labels } = filterOf(q)
  const wanted = { ...filter, experimentId: experimentOf(principal) }
  const workflowId = principal.kind === 'job' ? principal.workflowId : asked
  if (workflowId !== null) return lists.taskIdsOfWorkflow(db, { ...wanted, workflowId })
  if (labels.length === 0) return lists.taskIds(db, wanted)
  const label = await lists.rarestLabel(db, { experimentId: wanted.experimentId, noun: 'task', labels })
  return lists.labelledTaskIds(db, { ...wanted, label })
}

export const seeTask = async (engine: Engine, principal: Principal, id: number) =>
  demand(principal, 'read', (await engine.tasks.get([id])).get(id), 'task_unknown')

export const getTask = async (engine: Engine, principal: Principal, id: number): Promise<Task> => {
  await seeTask(engine, principal, id)
  const [row] = await store.taskViews(engine.db, [id])
  return showTask(row!)
}

export const listJobs = async (engine: Engine, principal: Principal, id: number, q: z.output<typeof jobQuery>) => {
  await seeTask(engine, principal, id)
  const rows = await store.jobLines(engine.db, id, q.state ?? null, readAfter(q.after, -1, largestInteger), q.limit + 1)
  return pageOf(rows, q.limit, (row) => row.index, showLine)
}

export const listOutcomes = async (
  engine: Engine,
  principal: Principal,
  id: number,
  q: { after?: string; limit: number },
) => {
  await seeTask(engine, principal, id)
  const rows = await store.outcomesOfTask(engine.db, id, readAfter(q.after, -1, largestInteger), q.limit + 1)
  return pageOf(
    rows,
    q.limit,
    (row) => row.index,
    (row) => outcomeOf(row, row),
  )
}

export const showLine = (row: store.JobLineRow) => ({
  id: showId('j', row.id),
  taskId: showId('t', row.taskId),
  index: row.index,
  state: row.state,
  attempt: row.attempt,
  heldBy: row.heldBy,
  unmet: row.unmet,
  cause: row.cause,
})

const showTask = (row: store.TaskViewRow): Task => ({
  id: showId('t', row.id),
  workflowId: showId('w', row.workflowId),
  parentJobId: row.parentJobId === null ? null : showId('j', row.parentJobId),
  name: row.name,
  owner: row.owner,
  state: row.state,
  payload: JSON.parse(row.payload),
  queue: row.queues.join(',') || null,
  cores: row.cores,
  memoryMb: row.memoryMb,
  gpus: row.gpus,
  wallSeconds: row.wallSeconds,
  priority: row.priority,
  attempts: attemptLimits(row),
  lostAfterSeconds: row.lostAfterSeconds,
  counts: showCounts(row, row.total),
  round: row.round,
  createdAt: row.createdAt.toISOString(),
  endedAt: row.endedAt?.toISOString() ?? null,
  labels: row.labels,
})
