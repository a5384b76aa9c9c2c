import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import { type JobEntry, type jobQuery, maxListedText, type RemoteError, type Usage } from '../../contract/jobs.ts'
import { maxSpreadJobs, type Task, type TaskCurve, type TaskSpread, type taskQuery } from '../../contract/tasks.ts'
import { readId, showId } from '../../lib/ids.ts'
import { histogramOf } from '../../policy/spread/histogram.ts'
import { indexesOf } from '../../policy/spread/sample.ts'
import { curveOf } from '../../store/curves.ts'
import * as lists from '../../store/lists.ts'
import * as store from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand, experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { attemptLimits } from '../jobs/attemptLimits.ts'
import { outcomeOf } from '../jobs/moveJobs.ts'
import { sentValue } from '../values.ts'
import { filterOf, largestInteger, pageOfIds, pageReached, reach, readAfter } from './pages.ts'
import { showCounts } from './workflows.ts'

export const listTasks = async (engine: Engine, principal: Principal, q: z.output<typeof taskQuery>) =>
  pageOfIds(await idsOf(engine, principal, q), q.limit, (ids) => store.taskViews(engine.db, ids), showTask)

const idsOf = async ({ db }: Engine, principal: Principal, q: z.output<typeof taskQuery>): Promise<lists.Looked[]> => {
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

/** Moments that were kept, and where it stands now, which is what its page says too. */
export const taskCurve = async (engine: Engine, principal: Principal, id: number): Promise<TaskCurve> => {
  const task = await getTask(engine, principal, id)
  const points = await curveOf(engine.db, id)
  const kept = points.map(({ at, ...counts }) => ({ at: at.toISOString(), counts: showCounts(counts) }))
  return { items: [...kept, { at: task.endedAt ?? engine.clock().toISOString(), counts: task.counts }] }
}

/** Of all jobs, or of some that stand for them: however many there are, it takes as long. */
export const taskSpread = async (engine: Engine, principal: Principal, id: number): Promise<TaskSpread> => {
  const task = await getTask(engine, principal, id)
  const indexes = indexesOf(task.counts.total, maxSpreadJobs)
  const uses = await store.usesOfJobs(engine.db, id, indexes)
  const shares = uses.map(({ cpuSeconds, wallSeconds }) =>
    cpuSeconds !== null && wallSeconds ? cpuSeconds / wallSeconds : null,
  )
  return {
    ...{ jobs: indexes.length, of: task.counts.total, ended: uses.length },
    wallSeconds: histogramOf(said(uses.map((use) => use.wallSeconds))),
    memoryMb: histogramOf(said(uses.map((use) => use.maxRssMb))),
    cpuShare: histogramOf(said(shares)),
  }
}

const said = (values: (number | null)[]): number[] => values.filter((value) => value !== null)

export const listJobs = async (engine: Engine, principal: Principal, id: number, q: z.output<typeof jobQuery>) => {
  await seeTask(engine, principal, id)
  const wanted = q.with.split(',')
  const rows = await store.jobEntries(engine.db, {
    ...{ taskId: id, state: q.state ?? null, cause: q.cause ?? null, maxText: maxListedText },
    ...{ withArgs: wanted.includes('args'), withValue: wanted.includes('value') },
    ...{ afterIndex: readAfter(q.after, -1, largestInteger), limit: q.limit + 1, reach },
  })
  return pageReached(rows, q.limit, (row) => row.index, showEntry)
}

export const listOutcomes = async (
  engine: Engine,
  principal: Principal,
  id: number,
  q: { after?: string; limit: number },
) => {
  await seeTask(engine, principal, id)
  const afterIndex = readAfter(q.after, -1, largestInteger)
  const rows = await store.outcomesOfTask(engine.db, { taskId: id, afterIndex, limit: q.limit + 1, reach })
  return pageReached(
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

const showEntry = (row: store.JobEntryRow): JobEntry => ({
  ...showLine(row),
  sentAt: row.sentAt?.toISOString() ?? null,
  startedAt: row.startedAt?.toISOString() ?? null,
  endedAt: row.endedAt?.toISOString() ?? null,
  host: row.host,
  usage: showUsage(row),
  errorLine: row.error && errorLine(JSON.parse(row.error)),
  ...listed('args', row.args),
  ...listed('value', row.value),
})

type UsageRow = { wallSeconds: number | null; cpuSeconds: number | null; maxRssMb: number | null }

export const showUsage = ({ wallSeconds, cpuSeconds, maxRssMb }: UsageRow): Usage | null =>
  wallSeconds === null && maxRssMb === null
    ? null
    : {
        ...(wallSeconds !== null ? { wallSeconds } : {}),
        ...(cpuSeconds !== null ? { cpuSeconds } : {}),
        ...(maxRssMb !== null ? { maxRssMb } : {}),
      }

/** Without its text it is too long for a list. */
const listed = <Name extends 'args' | 'value'>(name: Name, row: store.JobEntryRow['args']) => {
  const value = row && sentValue(row.text, row.blob, row.bytes)
  return value ? ({ [name]: value } as Record<Name, typeof value>) : {}
}

/** A list needs no more of it. */
export const errorLine = ({ type, message }: RemoteError): string =>
  `${type}: ${message.split('\n', 1)[0]!.slice(0, 300)}`

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
