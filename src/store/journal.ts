import type { AttemptCause } from '../domain/job/causes.ts'
import type { JobState } from '../domain/job/states.ts'
import { type Db, sql } from './db.ts'

/** What a driver (scope 0) or a job (scope = its id) asked for, under which key. Calls are written with their task, in `tasks.ts`. */

export type NewRecordRow = {
  workflowId: number
  scope: number
  key: string
  epoch: number
  value: string
  seen: string | null
}

/**
 * 0 when the workflow is not under way, its driver was replaced, or the journal has the key already: then the caller looks why. What was recorded before the scope was retried
 * gives way: who asks for it anew has a reason.
 */
export const insertRecord = (db: Db, r: NewRecordRow) =>
  db.run(sql`
    insert into call (workflow_id, scope, key, epoch, value, seen)
    select w.id, ${r.scope}, ${r.key}, ${r.epoch}, ${r.value}, ${r.seen}::text from workflow w
    where w.id = ${r.workflowId} and w.state in ('registered', 'running', 'paused') and (${r.scope}::bigint <> 0 or w.driver_epoch = ${r.epoch}::int)
    on conflict (workflow_id, scope, key) do update set epoch = excluded.epoch, value = excluded.value, seen = excluded.seen, seq = default
    where call.value is not null and call.epoch <= coalesce(
      case when call.scope = 0 then (select retried_after from workflow where id = call.workflow_id) else (select retried_after from job where id = call.scope) end, 0)`)

export const recordOf = (db: Db, workflowId: number, scope: number, key: string) =>
  db.row<{ value: string | null; driverEpoch: number }>(sql`
    select c.value, w.driver_epoch as "driverEpoch" from call c join workflow w on w.id = c.workflow_id
    where c.workflow_id = ${workflowId} and c.scope = ${scope} and c.key = ${key}`)

export type JournalRow = {
  seq: number
  key: string
  seen: string | null
  taskId: number | null
  value: string | null
  jobs: number | null
  closed: boolean | null
  firstJobId: number | null
  attempt: number | null
  state: JobState | null
  /** The job's, when it has ended and this is short. */
  result: string | null
  cause: AttemptCause | null
  error: string | null
  isShort: boolean
  /** From before its asker was retried. */
  earlier: boolean
}

/** In the order in which they were taken; a call of one job comes with how that ended, if it did and is at most `maxLength` characters long. */
export const journalPage = (
  db: Db,
  j: { workflowId: number; scope: number; after: number; limit: number; maxLength: number },
) =>
  db.rows<JournalRow>(sql`
    select c.seq, c.key, c.seen, c.task_id as "taskId", c.value, t.jobs, t.closed, j.id as "firstJobId", j.attempt, j.state,
           r.cause, c.epoch <= a.after as earlier, s.short as "isShort", case when s.short then r.value end as result, case when s.short then r.error end as error
    from call c left join task t on t.id = c.task_id left join job j on j.task_id = t.id and j.index = 0
         left join result r on r.job_id = j.id and t.closed and t.jobs = 1,
         lateral (select coalesce(case when c.scope = 0 then (select retried_after from workflow where id = c.workflow_id)
                                       else (select retried_after from job where id = c.scope) end, 0) as after) a,
         lateral (select r.job_id is not null and r.value_blob is null and coalesce(length(r.value), 0) + coalesce(length(r.error), 0) <= ${j.maxLength}::int as short) s
    where c.workflow_id = ${j.workflowId} and c.scope = ${j.scope} and c.seq > ${j.after}
    order by c.seq limit ${j.limit}`)
