import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'
import type { Horizon } from './history.ts'
import type { Counts, WorkflowViewRow } from './views.ts'

/** What was moved in one workflow: which of its tasks, and how many jobs have ended. `rows` is how much of the history that was. */
export type ChangedWorkflow = {
  workflowId: number
  experimentId: number
  /** Numbers of tasks, with spaces between them. */
  tasks: string | null
  finished: number
  failed: number
  rows: number
}

/** What was moved in these experiments by transactions from one horizon up to another; no more than `limit` lines of the history are looked at. */
export const changedBetween = (db: Db, experimentIds: number[], from: Horizon, until: Horizon, limit: number) =>
  db.rows<ChangedWorkflow>(sql`
    with h as materialized (
      select noun, id, workflow_id, to_state from history
      where xid >= ${from.xid}::text::xid8 and xid < ${until.xid}::text::xid8 order by xid, seq limit ${limit}),
    g as materialized (
      select h.workflow_id, string_agg(distinct case h.noun when 'task' then h.id else j.task_id end::text, ' ') as tasks,
             count(*) filter (where h.noun = 'job' and h.to_state = 'finished')::int as finished,
             count(*) filter (where h.noun = 'job' and h.to_state = 'failed')::int as failed, count(*)::int as rows
      from h left join job j on h.noun = 'job' and j.id = h.id group by h.workflow_id)
    select g.workflow_id as "workflowId", w.experiment_id as "experimentId", g.tasks, g.finished, g.failed, g.rows
    from g join workflow w on w.id = g.workflow_id where w.experiment_id = any(${experimentIds}::int[])`)

export type WorkflowLineRow = Omit<WorkflowViewRow, 'value' | 'valueBlob' | 'valueBytes' | 'error'>

export const workflowLines = (db: Db, ids: number[]) =>
  db.rows<WorkflowLineRow>(sql`
    select w.id, w.experiment_id as "experimentId", w.name, w.kind, p.name as owner, t.name as team, w.state, w.created_at as "createdAt", w.ended_at as "endedAt",
           w.driver_seen_at as "driverSeenAt", w.held, w.why, w.labels, w.run, w.program,
           c.tasks_total as "tasksTotal", c.tasks_ended as "tasksEnded", c.tasks_failed as "tasksFailed",
           c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed
    from workflow w join person p on p.id = w.owner_id join team t on t.id = w.team_id join workflow_count c on c.workflow_id = w.id
    where w.id = any(${ids}::bigint[])`)

export type TaskLineRow = { id: number; workflowId: number; name: string; state: TaskState; total: number } & Counts

export const taskLines = (db: Db, ids: number[]) =>
  db.rows<TaskLineRow>(sql`
    select t.id, t.workflow_id as "workflowId", t.name, t.state, t.jobs as total,
           c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed
    from task t left join task_count c on c.task_id = t.id where t.id = any(${ids}::bigint[])`)
