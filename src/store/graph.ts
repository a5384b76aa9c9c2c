import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'
import type { Counts } from './views.ts'

/** What a graph of a workflow is made of: the newest of its tasks, and how they hang together. */

export type GraphTaskRow = {
  id: number
  name: string
  state: TaskState
  parentJobId: number | null
  parentTaskId: number | null
  total: number
} & Counts

export const graphTasks = (db: Db, workflowId: number, limit: number) =>
  db.rows<GraphTaskRow>(sql`
    select t.id, t.name, t.state, t.parent_job_id as "parentJobId", j.task_id as "parentTaskId", t.jobs as total,
           c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed
    from (select id, name, state, parent_job_id, jobs from task where workflow_id = ${workflowId} order by id desc limit ${limit}) t
    left join job j on j.id = t.parent_job_id left join task_count c on c.task_id = t.id
    order by t.id`)

export const graphEdges = (db: Db, workflowId: number, tasks: number, limit: number) =>
  db.rows<{ parentId: number; childId: number }>(sql`
    select e.parent_id as "parentId", e.child_id as "childId"
    from (select id from task where workflow_id = ${workflowId} order by id desc limit ${tasks}) t join task_edge e on e.child_id = t.id limit ${limit}`)

/** Of the newest `tasks`, and those without one, which tell what was seen as well; by scope, and in each in order. */
export const graphCalls = (db: Db, workflowId: number, tasks: number, limit: number) =>
  db.rows<{ scope: number; taskId: number | null; seen: string | null }>(sql`
    select scope, task_id as "taskId", seen from call
    where workflow_id = ${workflowId}
      and (task_id is null or task_id >= (select min(id) from (select id from task where workflow_id = ${workflowId} order by id desc limit ${tasks}) t))
    order by scope, seq limit ${limit}`)
