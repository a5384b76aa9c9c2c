import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import type { WorkflowLine } from '../../contract/frames.ts'
import type { jobCounts } from '../../contract/tasks.ts'
import type { Workflow, workflowQuery } from '../../contract/workflows.ts'
import { jobStates } from '../../domain/job/states.ts'
import { readId, showId } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import type { WorkflowLineRow } from '../../store/frames.ts'
import { storyOfWorkflow } from '../../store/history.ts'
import * as lists from '../../store/lists.ts'
import { personNamed } from '../../store/people.ts'
import * as store from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand, experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { moveOf } from '../live/tailHistory.ts'
import { sentValue } from '../values.ts'
import { filterOf, pageOf, pageOfIds, readAfter } from './pages.ts'

export const listWorkflows = async (engine: Engine, principal: Principal, q: z.output<typeof workflowQuery>) =>
  pageOfIds(await idsOf(engine, principal, q), q.limit, (ids) => store.workflowViews(engine.db, ids), showWorkflow)

const idsOf = async (
  { db }: Engine,
  principal: Principal,
  q: z.output<typeof workflowQuery>,
): Promise<lists.Looked[]> => {
  const { filter, labels } = filterOf(q)
  if (q.run && principal.kind === 'user')
    return lists.workflowIdsOfRun(db, { ...filter, ownerId: principal.personId, run: q.run })
  const experimentId = experimentOf(principal)
  const asked = { ...filter, experimentId, program: q.program ?? null }
  if (principal.kind === 'job') return onlyOwn(db, principal.workflowId, asked)
  if (labels.length > 0) {
    const label = await lists.rarestLabel(db, { experimentId, noun: 'workflow', labels })
    return lists.labelledWorkflowIds(db, { ...asked, label })
  }
  if (q.owner === undefined) return lists.workflowIds(db, asked)
  const owner = await personNamed(db, experimentId, q.owner)
  return owner ? lists.workflowIdsOfOwner(db, { ...asked, ownerId: owner.id }) : []
}

/** A job sees the workflow that it is of. */
const onlyOwn = async (db: Db, id: number, asked: Parameters<typeof lists.workflowIds>[1]): Promise<lists.Looked[]> =>
  id < asked.below
    ? (await lists.workflowIds(db, { ...asked, below: id + 1, reach: 1 })).map((own) => ({ ...own, isLast: false }))
    : []

export const getWorkflow = async (engine: Engine, principal: Principal, id: number): Promise<Workflow> => {
  demand(principal, 'read', await engine.workflows.get(id), 'workflow_unknown')
  return workflowView(engine, id)
}

export const workflowView = async (engine: Engine, id: number): Promise<Workflow> => {
  const [row] = await store.workflowViews(engine.db, [id])
  if (!row) throw fault('workflow_unknown', `no ${showId('w', id)}`)
  return showWorkflow(row)
}

export const workflowHistory = async (
  engine: Engine,
  principal: Principal,
  id: number,
  q: { after?: string; limit: number },
) => {
  demand(principal, 'read', await engine.workflows.get(id), 'workflow_unknown')
  const rows = await storyOfWorkflow(engine.db, id, readAfter(q.after, 0), q.limit + 1)
  return pageOf(rows, q.limit, (row) => row.seq, moveOf)
}

export const showWorkflow = (row: store.WorkflowViewRow): Workflow => ({
  ...showWorkflowLine(row),
  value: sentValue(row.value, row.valueBlob, row.valueBytes),
  error: row.error ? JSON.parse(row.error) : null,
})

export const showWorkflowLine = (row: WorkflowLineRow): WorkflowLine => ({
  id: showId('w', row.id),
  name: row.name,
  kind: row.kind,
  owner: row.owner,
  group: row.team,
  state: row.state,
  tasks: { total: row.tasksTotal, ended: row.tasksEnded, failed: row.tasksFailed },
  jobs: showCounts(row),
  createdAt: row.createdAt.toISOString(),
  endedAt: row.endedAt?.toISOString() ?? null,
  driverSeenAt: row.driverSeenAt?.toISOString() ?? null,
  held: row.held,
  why: row.why,
  labels: row.labels,
  run: row.run,
  program: row.program,
})

/** States without jobs are left out, so that a page is short and a terminal too. */
export const showCounts = (counts: store.Counts, total?: number): z.infer<typeof jobCounts> => {
  const some = jobStates.map((state) => [state, counts[state] ?? 0] as const).filter(([, n]) => n > 0)
  return { total: total ?? some.reduce((sum, [, n]) => sum + n, 0), ...Object.fromEntries(some) }
}

export const mayListen = async (engine: Engine, principal: Principal, id: string): Promise<number> => {
  const workflowId = readId('w', id)!
  demand(principal, 'read', await engine.workflows.get(workflowId), 'workflow_unknown')
  return workflowId
}
