import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'

export type NewTaskRow = {
  workflowId: number
  experimentId: number
  ownerId: number
  parentJobId: number | null
  name: string
  state: TaskState
  closed: boolean
  unmet: number
  payload: string
  common: string | null
  commonBlob: string | null
  commonBytes: number | null
  laneId: number
  cores: number
  memoryMb: number | null
  wallSeconds: number | null
  priority: number
  attemptsUser: number
  attemptsSite: number
  attemptsLost: number
  lostAfterSeconds: number | null
  labels: string
}

export type NewCallRow = { scope: number; key: string; epoch: number }

export type NewJobRows = {
  args: (string | null)[]
  blobs: (string | null)[]
  bytes: (number | null)[]
  states: string[]
  unmets: number[]
}

/** 2^40 ids fit below the priority; (8000 - priority) · 2^40 stays below 2^53, so that a rank is an exact number on both sides. */
export const maxPriority = 8000

/**
 * A task with its jobs, its call and its counters: one statement, so that a call costs one trip and one commit. Nothing is written when the workflow
 * is not under way, the driver was replaced, or the journal has this call already: then no row comes back, and the caller looks why.
 */
export const insertTask = (db: Db, t: NewTaskRow, call: NewCallRow | null, jobs: NewJobRows, now: Date) =>
  db.row<{ taskId: number; firstJobId: number | null }>(sql`
    with t as (
      insert into task (workflow_id, experiment_id, owner_id, parent_job_id, name, state, closed, unmet, jobs, payload, common, common_blob, common_bytes,
                        lane_id, cores, memory_mb, wall_seconds, priority, attempts_user, attempts_site, attempts_lost,
                        lost_after_seconds, created_at, labels)
      select w.id, ${t.experimentId}, ${t.ownerId}, ${t.parentJobId}::bigint, ${t.name}, ${t.state}, ${t.closed}, ${t.unmet}, ${jobs.args.length}, ${t.payload},
             ${t.common}, ${t.commonBlob}, ${t.commonBytes}::bigint, ${t.laneId}::int, ${t.cores}, ${t.memoryMb}::int, ${t.wallSeconds}::int,
             ${t.priority}, ${t.attemptsUser}, ${t.attemptsSite}, ${t.attemptsLost}, ${t.lostAfterSeconds}::int, ${now}, ${t.labels}::jsonb
      from workflow w
      where w.id = ${t.workflowId} and w.state in ('registered', 'running', 'paused') and not w.closed
        and (${call?.scope ?? null}::bigint is distinct from 0 or w.driver_epoch = ${call?.epoch ?? null}::int)
        and not exists (select from call c where c.workflow_id = w.id and c.scope = ${call?.scope ?? null}::bigint and c.key = ${call?.key ?? null})
      returning id),
    n as materialized (
      select nextval('job_id') as id, (u.ord - 1)::int as index, u.args, u.blob, u.bytes, u.state, u.unmet, t.id as task_id
      from t, unnest(${jobs.args}::text[], ${jobs.blobs}::text[], ${jobs.bytes}::bigint[], ${jobs.states}::text[], ${jobs.unmets}::int[])
              with ordinality u(args, blob, bytes, state, unmet, ord)),
    j as (insert into job (id, task_id, index, lane_id, state, unmet) select id, task_id, index, ${t.laneId}::int, state, unmet from n),
    s as (insert into spec (job_id, args, args_blob, args_bytes) select id, args, blob, bytes from n),
    r as (
      insert into ready (lane_id, rank, job_id)
      select ${t.laneId}::int, ((${maxPriority} - ${t.priority}::int)::bigint << 40) | id, id from n where state = 'activated'),
    d as (
      insert into task_delta (task_id, activated, pending)
      select t.id, count(n.id) filter (where n.state = 'activated'), count(n.id) filter (where n.state = 'pending') from t left join n on true group by t.id),
    c as (
      insert into call (workflow_id, scope, key, epoch, task_id, state)
      select ${t.workflowId}, ${call?.scope ?? null}::bigint, ${call?.key ?? null}, ${call?.epoch ?? null}::int, t.id, 'asked' from t where ${call !== null}),
    h as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${now}, 'task', t.id, ${t.workflowId}, 'registered', ${t.state}, ${t.state === 'pending' ? 'mustWait' : 'filled'} from t)
    select t.id as "taskId", (select min(id) from n) as "firstJobId" from t`)

/** More jobs of an open task, from index `first` on; the caller holds the lock of the task. */
export const insertJobs = (
  db: Db,
  t: { taskId: number; laneId: number; priority: number; first: number; close: boolean },
  jobs: NewJobRows,
) =>
  db.row<{ firstJobId: number }>(sql`
    with n as materialized (
      select nextval('job_id') as id, ${t.first}::int + (u.ord - 1)::int as index, u.args, u.blob, u.bytes, u.state, u.unmet
      from unnest(${jobs.args}::text[], ${jobs.blobs}::text[], ${jobs.bytes}::bigint[], ${jobs.states}::text[], ${jobs.unmets}::int[])
           with ordinality u(args, blob, bytes, state, unmet, ord)),
    j as (insert into job (id, task_id, index, lane_id, state, unmet) select id, ${t.taskId}, index, ${t.laneId}::int, state, unmet from n),
    s as (insert into spec (job_id, args, args_blob, args_bytes) select id, args, blob, bytes from n),
    r as (
      insert into ready (lane_id, rank, job_id)
      select ${t.laneId}::int, ((${maxPriority} - ${t.priority}::int)::bigint << 40) | id, id from n where state = 'activated'),
    d as (
      insert into task_delta (task_id, activated, pending)
      select ${t.taskId}, count(*) filter (where state = 'activated'), count(*) filter (where state = 'pending') from n),
    u as (update task set jobs = jobs + ${jobs.args.length}::int, closed = ${t.close} where id = ${t.taskId})
    select min(id) as "firstJobId" from n`)

export type CallRow = { taskId: number; firstJobId: number | null; jobs: number }

export const knownCall = (db: Db, workflowId: number, scope: number, key: string) =>
  db.row<CallRow>(sql`
    select c.task_id as "taskId", t.jobs, (select j.id from job j where j.task_id = c.task_id and j.index = 0) as "firstJobId"
    from call c join task t on t.id = c.task_id
    where c.workflow_id = ${workflowId} and c.scope = ${scope} and c.key = ${key}`)

/** What never changes of a task: kept in memory by those who serve claims. */
export type TaskFacts = {
  id: number
  workflowId: number
  experimentId: number
  ownerId: number
  parentJobId: number | null
  name: string
  payload: string
  common: string | null
  commonBlob: string | null
  commonBytes: number | null
  laneId: number
  cores: number
  memoryMb: number | null
  wallSeconds: number | null
  priority: number
  attemptsUser: number
  attemptsSite: number
  attemptsLost: number
  lostAfterSeconds: number | null
}

export const taskFacts = (db: Db, ids: number[]) =>
  db.rows<TaskFacts>(sql`
    select id, workflow_id as "workflowId", experiment_id as "experimentId", owner_id as "ownerId", parent_job_id as "parentJobId", name, payload,
           common, common_blob as "commonBlob", common_bytes as "commonBytes", lane_id as "laneId", cores, memory_mb as "memoryMb", wall_seconds as "wallSeconds",
           priority, attempts_user as "attemptsUser", attempts_site as "attemptsSite", attempts_lost as "attemptsLost", lost_after_seconds as "lostAfterSeconds"
    from task where id = any(${ids}::bigint[])`)

export type TaskRow = {
  id: number
  workflowId: number
  ownerId: number
  state: TaskState
  closed: boolean
  unmet: number
  jobs: number
  laneId: number
  priority: number
}

export const lockTasks = (db: Db, ids: number[]) =>
  db.rows<TaskRow>(sql`
    select id, workflow_id as "workflowId", owner_id as "ownerId", state, closed, unmet, jobs, lane_id as "laneId", priority
    from task where id = any(${ids}::bigint[]) order by id for no key update`)

export const tasksOfWorkflow = (db: Db, workflowId: number, after: number, limit: number) =>
  db.rows<{ id: number; state: TaskState }>(sql`
    select id, state from task where workflow_id = ${workflowId} and id > ${after} order by id limit ${limit}`)

export type TaskMove = {
  id: number
  workflowId: number
  from: TaskState
  to: TaskState
  trigger: string
  why: string | null
  ended: boolean
}

/** Compare-and-set of several tasks (their locks held), with their lines of history and, at an end, of the journal. */
export const moveTasks = (db: Db, moves: TaskMove[], now: Date) =>
  db.run(sql`
    with m as materialized (
      select * from unnest(${moves.map((m) => m.id)}::bigint[], ${moves.map((m) => m.workflowId)}::bigint[], ${moves.map((m) => m.from)}::text[],
                           ${moves.map((m) => m.to)}::text[], ${moves.map((m) => m.trigger)}::text[], ${moves.map((m) => m.why)}::text[],
                           ${moves.map((m) => m.ended)}::bool[]) u(id, workflow_id, from_state, to_state, trigger, why, ended)),
    u as (
      update task t set state = m.to_state, ended_at = case when m.ended then ${now}::timestamptz end
      from m where t.id = m.id and t.state = m.from_state),
    c as (
      update call c set state = case m.to_state when 'done' then 'done' when 'aborted' then 'cancelled' else 'failed' end, done_seq = nextval('history_seq_seq')
      from m where c.task_id = m.id and m.ended)
    insert into history (at, noun, id, workflow_id, from_state, to_state, trigger, why)
    select ${now}, 'task', m.id, m.workflow_id, m.from_state, m.to_state, m.trigger, m.why from m`)
