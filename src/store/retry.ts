import type { JobState } from '../domain/job/states.ts'
import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'

/** What is to be run again: one job, or of a task the jobs that failed or were cancelled (`orphans`: only those that were cancelled for a parent). */
export type NewRetry = { taskId: number; jobId: number | null; orphans: boolean; why: string }

export type RetryRow = NewRetry & { id: number; workflowId: number; afterIndex: number; callsAsked: boolean }

/** One at a time at the retries of a workflow, until the end of the transaction. Taken before all other locks. */
export const takeRetryTurn = (db: Db, workflowId: number) =>
  db.run(sql`select pg_advisory_xact_lock(7289, (${workflowId}::bigint % 2147483647)::int)`)

/** On top of the stack; of several the first is on top. */
export const pushRetries = (db: Db, workflowId: number, rows: NewRetry[], now: Date) => {
  const stacked = rows.toReversed()
  return db.run(sql`
    insert into retry (workflow_id, task_id, job_id, orphans, why, at)
    select ${workflowId}, u.*, ${now} from unnest(
      ${stacked.map((r) => r.taskId)}::bigint[], ${stacked.map((r) => r.jobId)}::bigint[], ${stacked.map((r) => r.orphans)}::bool[],
      ${stacked.map((r) => r.why)}::text[]) u`)
}

export const topRetry = (db: Db, workflowId: number) =>
  db.row<RetryRow>(sql`
    select id, workflow_id as "workflowId", task_id as "taskId", job_id as "jobId", orphans, after_index as "afterIndex", calls_asked as "callsAsked", why
    from retry where workflow_id = ${workflowId} order by id desc limit 1`)

export const moveOnRetry = (db: Db, r: { id: number; afterIndex: number; callsAsked: boolean; now: Date }) =>
  db.run(
    sql`update retry set after_index = ${r.afterIndex}, calls_asked = ${r.callsAsked}, at = ${r.now} where id = ${r.id}`,
  )

export const dropRetry = (db: Db, id: number) => db.run(sql`delete from retry where id = ${id}`)

/** All of a workflow, or of one task of it: a cancel came after. */
export const dropRetries = (db: Db, workflowId: number, taskId: number | null) =>
  db.run(
    sql`delete from retry where workflow_id = ${workflowId} and (${taskId}::bigint is null or task_id = ${taskId}::bigint)`,
  )

export const isRetrying = async (db: Db, workflowId: number, taskId: number | null): Promise<boolean> =>
  (await db.row<{ any: boolean }>(sql`
    select exists (select from retry where workflow_id = ${workflowId} and (${taskId}::bigint is null or task_id = ${taskId}::bigint)) as any`))!
    .any

/** A workflow at whose retries nobody was since: who had asked for them is gone. */
export const leftRetrying = async (db: Db, since: Date): Promise<number | undefined> =>
  (
    await db.row<{ workflowId: number }>(
      sql`select workflow_id as "workflowId" from retry group by workflow_id having max(at) < ${since} order by workflow_id limit 1`,
    )
  )?.workflowId

/** The next jobs of a task that may be meant, in order. */
export const lostJobs = (
  db: Db,
  r: { taskId: number; orphans: boolean; states: JobState[]; afterIndex: number; limit: number },
) =>
  db.rows<{ id: number; index: number }>(sql`
    select j.id, j.index from job j
    where j.task_id = ${r.taskId} and j.index > ${r.afterIndex} and j.state = any(${r.states}::text[])
      and (not ${r.orphans}::bool or (select cause from result where job_id = j.id) = 'parent')
    order by j.index limit ${r.limit}`)

/** Of each of these jobs the parents that are not released, or are finished and have not come to this one of their many children yet. */
export const unreleasedParents = (db: Db, jobIds: number[]) =>
  db.rows<{ childId: number; parentId: number; state: JobState }>(sql`
    select e.child_id as "childId", e.parent_id as "parentId", p.state
    from unnest(${jobIds}::bigint[]) i(id)
    cross join lateral (select parent_id, child_id from edge where child_id = i.id offset 0) e
    cross join lateral (select state, released from job where id = e.parent_id offset 0) p
    where not p.released or exists (
      select from family f where f.parent_id = e.parent_id and f.what = 'release' and e.child_id > f.after and e.child_id <= f.until)`)

export const unreleasedParentTasks = (db: Db, taskId: number) =>
  db.rows<{ id: number; state: TaskState }>(sql`
    select t.id, t.state from task_edge e cross join lateral (select id, state from task where id = e.parent_id offset 0) t
    where e.child_id = ${taskId} and not e.released order by t.id`)

/**
 * Jobs of a task (locks held) that begin a new round: what they wait for, and from which attempt on is charged. How they ended before is in their history; reports, which had counted
 * that as of then, no longer do.
 */
export const beginRound = (db: Db, taskId: number, jobs: { id: number; unmet: number }[]) =>
  db.run(sql`
    with v as (
      insert into usage_delta (at, task_id, pilot_id, ending, cause, jobs)
      select h.at, ${taskId}, p.pilot_id, j.state, r.cause, -count(*)
      from unnest(${jobs.map((j) => j.id)}::bigint[]) i(id)
      cross join lateral (select state, attempt from job where id = i.id offset 0) j
      cross join lateral (select at from history where noun = 'job' and id = i.id and to_state = j.state order by seq desc limit 1) h
      left join lateral (select cause from result where job_id = i.id offset 0) r on true
      left join lateral (select pilot_id from attempt where job_id = i.id and attempt = j.attempt offset 0) p on true
      group by h.at, p.pilot_id, j.state, r.cause),
    t as (update task set came_back = came_back + ${jobs.length}::int where id = ${taskId}),
    u as (
      update job j set unmet = i.unmet, retried_after = j.attempt
      from unnest(${jobs.map((j) => j.id)}::bigint[], ${jobs.map((j) => j.unmet)}::int[]) i(id, unmet) where j.id = i.id)
    delete from result where job_id = any(${jobs.map((j) => j.id)}::bigint[])`)

/** The task is under way again; its workflow counts that with the next fold. `close`: no more jobs will come. */
export const reopenTask = (db: Db, taskId: number, close: boolean) =>
  db.run(sql`
    with d as (insert into task_delta (task_id, reopened, came_back) values (${taskId}, 1, 1))
    update task set round = round + 1, came_back = came_back + 1, closed = closed or ${close}::bool where id = ${taskId}`)

/** The tasks that these jobs had called, but for those that are done. */
export const callsOf = (db: Db, workflowId: number, jobIds: number[]) =>
  db.rows<{ id: number; state: TaskState }>(sql`
    select t.id, t.state from unnest(${jobIds}::bigint[]) i(id)
    cross join lateral (select task_id from call where workflow_id = ${workflowId} and scope = i.id and task_id is not null offset 0) c
    cross join lateral (select id, state from task where id = c.task_id and state <> 'done' offset 0) t
    order by t.id`)

/** Tasks in which a job was cancelled that waits for one of these. */
export const tasksOfOrphans = async (db: Db, jobIds: number[]): Promise<number[]> =>
  (
    await db.rows<{ taskId: number }>(sql`
      select distinct c.task_id as "taskId" from unnest(${jobIds}::bigint[]) i(id)
      cross join lateral (select child_id from edge where parent_id = i.id offset 0) e
      cross join lateral (select task_id from job where id = e.child_id and state = 'cancelled' offset 0) c
      order by c.task_id`)
  ).map((row) => row.taskId)

/** Tasks that wait for the end of this one, and are in one of these states. */
export const childTasksIn = async (db: Db, taskId: number, states: TaskState[]): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(sql`
      select t.id from task_edge e cross join lateral (select id, state from task where id = e.child_id offset 0) t
      where e.parent_id = ${taskId} and not e.released and t.state = any(${states}::text[]) order by t.id`)
  ).map((row) => row.id)

/** How many jobs of the task rest as failed or cancelled, with what is not folded yet. */
export const lostOfTask = async (db: Db, taskId: number): Promise<number> =>
  (await db.row<{ n: number }>(sql`
    select (coalesce((select failed + cancelled from task_count where task_id = ${taskId}), 0)
          + coalesce((select sum(coalesce(failed, 0) + coalesce(cancelled, 0)) from task_delta where task_id = ${taskId}), 0))::int as n`))!
    .n

/** Tasks that a workflow asks for itself (no job called them) and that are in one of these states. */
export const ownTasksIn = async (db: Db, workflowId: number, states: TaskState[]): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(sql`
      select id from task where workflow_id = ${workflowId} and parent_job_id is null and state = any(${states}::text[]) order by id`)
  ).map((row) => row.id)

/** One that has not ended. */
export const taskUnderWay = async (db: Db, workflowId: number): Promise<number | undefined> =>
  (
    await db.row<{ id: number }>(
      sql`select id from task where workflow_id = ${workflowId} and ended_at is null order by id limit 1`,
    )
  )?.id

/** Whether a program that is started again would find the workflow. */
export const hasRun = async (db: Db, id: number): Promise<boolean> =>
  (await db.row<{ has: boolean }>(sql`select run is not null as has from workflow where id = ${id}`))!.has

/** The workflow (lock held) is under way again: a driver of it is refused from here on, and how it ended is in its history. */
export const reopenWorkflow = (db: Db, id: number) =>
  db.run(sql`
    update workflow set retried_after = driver_epoch, driver_epoch = driver_epoch + case when driver_epoch > 0 then 1 else 0 end,
                        closed = kind = 'tasks', value = null, value_blob = null, value_bytes = null, error = null
    where id = ${id}`)
