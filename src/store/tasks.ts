import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'

/** What is asked for of a task. Only its priority may change. */
type TaskRequest = {
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
  gpus: number
  wallSeconds: number | null
  priority: number
  attemptsUser: number
  attemptsSite: number
  attemptsLost: number
  /** JSON text: by causes that are named, and are counted as the user’s otherwise. */
  attemptsOthers: string | null
  lostAfterSeconds: number | null
  /** Those that it names. */
  queue: string | null
  site: string | null
  /** JSON text of `WantedSecret[]`; null for those that name none. */
  secrets: string | null
  /** Its jobs take stored results, and leave theirs. */
  cache: boolean
  /** The trace that it was submitted in: a W3C traceparent. */
  trace: string | null
}

export type NewTaskRow = TaskRequest & { state: TaskState; closed: boolean; unmet: number; labels: string }

export type NewCallRow = { scope: number; key: string; epoch: number; seen: string | null }

export type NewJobRows = {
  args: (string | null)[]
  blobs: (string | null)[]
  bytes: (number | null)[]
  states: string[]
  unmets: number[]
}

/** 2^40 ids fit below the priority; (8000 - priority) · 2^40 stays below 2^53, so that a rank is an exact number on both sides. */
export const maxPriority = 8000

/** `claims`: to which of the open claims each of its first jobs goes, by its place; jobs beyond that go to none. */
export type TaskToInsert = { row: NewTaskRow; call: NewCallRow | null; jobs: NewJobRows; claims?: number[] }

/** `sent`: the ids of the jobs that went to their claim, by index; null where the pilot was not there any more. */
export type InsertedTask = {
  taskId: number
  firstJobId: number | null
  lastJobId: number | null
  sent: (number | null)[]
}

/** A claim to which jobs are handed as they are written. */
export type HandedClaim = { pilotId: number; epoch: number; claimSeq: number }

/**
 * Tasks with their jobs, calls and counters: one statement, so that a call costs one trip and one commit, and a crowd of calls as well. Nothing is written of a
 * task whose workflow is not under way or is held (but for who sees to it: `whileHeld`), whose driver was replaced, or whose call the journal has already: then there is null in its place,
 * and the caller looks why. Its labels are those of its workflow, and over these its own. What the jobs need of their task comes by its place in the batch, since a join of the two would be
 * by nested loops; for the same reason `in (select …)` stands where it cannot become a join. The journal is asked by writing to it, which takes the index of its key and no
 * other. Jobs that are handed to an open claim are written as sent: what `claimReady` looks at is looked at here, and they never lie in `ready`.
 */
export const insertTasks = async (
  db: Db,
  tasks: readonly TaskToInsert[],
  now: Date,
  claims: readonly HandedClaim[] = [],
  whileHeld = false,
): Promise<(InsertedTask | null)[]> => {
  const each = <T>(of: (t: NewTaskRow) => T) => tasks.map(({ row }) => of(row))
  const calls = <T>(of: (c: NewCallRow) => T) => tasks.map(({ call }) => (call ? of(call) : null))
  const jobs = <T>(of: (jobs: NewJobRows) => T[]) => tasks.flatMap(({ jobs }) => of(jobs))
  const counted = (wanted: string) => tasks.map(({ jobs }) => jobs.states.filter((state) => state === wanted).length)
  const ofClaims = (of: (claim: HandedClaim) => number) => claims.map(of)
  const workflows = each((t) => t.workflowId)
  const lanes = each((t) => t.laneId)
  const priorities = each((t) => t.priority)
  const rows = await db.rows<
    { taskId: number | null } & Omit<InsertedTask, 'taskId' | 'sent'> & { sent: (number | null)[] | null }
  >(sql`
    with i as materialized (
      select u.*, w.labels || u.labels::jsonb as all_labels, w.labels is not null as ok, case when w.labels is not null then nextval('task_id_seq') end as id
      from unnest(
        ${workflows}::bigint[], ${each((t) => t.experimentId)}::int[], ${each((t) => t.ownerId)}::int[], ${each((t) => t.parentJobId)}::bigint[],
        ${each((t) => t.name)}::text[], ${each((t) => t.state)}::text[], ${each((t) => t.closed)}::bool[], ${each((t) => t.unmet)}::int[],
        ${tasks.map(({ jobs }) => jobs.args.length)}::int[], ${counted('activated')}::int[], ${counted('pending')}::int[],
        ${each((t) => t.payload)}::text[], ${each((t) => t.common)}::text[],
        ${each((t) => t.commonBlob)}::text[], ${each((t) => t.commonBytes)}::bigint[], ${lanes}::int[], ${each((t) => t.cores)}::int[],
        ${each((t) => t.memoryMb)}::int[], ${each((t) => t.wallSeconds)}::int[], ${priorities}::int[], ${each((t) => t.attemptsUser)}::int[],
        ${each((t) => t.attemptsSite)}::int[], ${each((t) => t.attemptsLost)}::int[], ${each((t) => t.lostAfterSeconds)}::int[],
        ${each((t) => t.gpus)}::int[], ${each((t) => t.queue)}::text[], ${each((t) => t.site)}::text[], ${each((t) => t.attemptsOthers)}::text[],
        ${each((t) => t.secrets)}::text[], ${each((t) => t.cache)}::bool[], ${each((t) => t.trace)}::text[], ${each((t) => t.labels)}::text[],
        ${calls((c) => c.scope)}::bigint[], ${calls((c) => c.key)}::text[], ${calls((c) => c.epoch)}::int[], ${calls((c) => c.seen)}::text[])
        with ordinality u(workflow_id, experiment_id, owner_id, parent_job_id, name, state, closed, unmet, jobs, activated, pending, payload, common, common_blob,
                          common_bytes, lane_id, cores, memory_mb, wall_seconds, priority, attempts_user, attempts_site, attempts_lost,
                          lost_after_seconds, gpus, queue, site, attempts_others, secrets, cache, trace, labels, scope, key, epoch, seen, ord)
      cross join lateral (
        select (
          select labels from workflow w
          where w.id = u.workflow_id and w.state in ('registered', 'running', 'paused') and not w.closed and (not w.held or ${whileHeld}::bool)
            and (u.scope is distinct from 0 or w.driver_epoch = u.epoch)) as labels offset 0) w),
    c as (
      insert into call (workflow_id, scope, key, epoch, task_id, seen)
      select workflow_id, scope, key, epoch, id, seen from i where ok and key is not null order by workflow_id, scope, key
      on conflict (workflow_id, scope, key) do nothing returning task_id),
    f as materialized (select *, ok and (key is null or id in (select task_id from c)) as fresh from i),
    ids as materialized (select array_agg(case when fresh then id end order by ord) as task_ids from f),
    t as (
      insert into task (id, workflow_id, experiment_id, owner_id, parent_job_id, name, state, closed, unmet, jobs, payload, common, common_blob, common_bytes,
                        lane_id, cores, memory_mb, wall_seconds, priority, attempts_user, attempts_site, attempts_lost,
                        lost_after_seconds, gpus, queue, site, attempts_others, secrets, cache, trace, created_at, labels)
      overriding system value
      select id, workflow_id, experiment_id, owner_id, parent_job_id, name, state, closed, unmet, jobs, payload, common, common_blob, common_bytes,
             lane_id, cores, memory_mb, wall_seconds, priority, attempts_user, attempts_site, attempts_lost,
             lost_after_seconds, gpus, queue, site, attempts_others, secrets, cache, trace, ${now}, all_labels
      from f where fresh),
    b as (
      insert into label (experiment_id, noun, name, value, id)
      select experiment_id, 'task', e.key, e.value, id from (select experiment_id, id, all_labels from f where fresh and all_labels <> '{}' offset 0) f
      cross join lateral jsonb_each_text(all_labels) e),
    k as materialized (
      select c.ord
      from unnest(${ofClaims((c) => c.pilotId)}::int[], ${ofClaims((c) => c.epoch)}::int[], ${ofClaims((c) => c.claimSeq)}::bigint[])
           with ordinality c(pilot_id, epoch, claim_seq, ord)
      cross join lateral (select from pilot where id = c.pilot_id and epoch = c.epoch and state <> 'gone' for key share) p
      where not exists (select from held h where h.pilot_id = c.pilot_id and h.claim_seq = c.claim_seq and h.epoch = c.epoch)),
    n as materialized (
      select nextval('job_id') as id, task_ids[u.task] as task_id, u.*, coalesce(u.claim in (select ord from k), false) as is_sent
      from ids, unnest(
        ${tasks.flatMap(({ jobs }, place) => jobs.args.map(() => place + 1))}::int[], ${jobs((j) => j.args.map((_, index) => index))}::int[],
        ${jobs((j) => j.args)}::text[], ${jobs((j) => j.blobs)}::text[], ${jobs((j) => j.bytes)}::bigint[], ${jobs((j) => j.states)}::text[],
        ${jobs((j) => j.unmets)}::int[], ${tasks.flatMap(({ jobs, claims }) => jobs.args.map((_, i) => placeOf(claims?.[i])))}::bigint[])
        u(task, index, args, blob, bytes, state, unmet, claim)
      where task_ids[u.task] is not null),
    j as (
      insert into job (id, task_id, workflow_id, index, lane_id, state, attempt, unmet)
      select id, task_id, (${workflows}::bigint[])[task], index, (${lanes}::int[])[task], case when is_sent then 'sent' else state end, is_sent::int, unmet from n),
    s as (insert into spec (job_id, args, args_blob, args_bytes) select id, args, blob, bytes from n),
    r as (
      insert into ready (lane_id, rank, job_id)
      select (${lanes}::int[])[task], ((${maxPriority} - (${priorities}::int[])[task])::bigint << 40) | id, id from n where state = 'activated' and not is_sent),
    hd as (
      insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at)
      select id, (${ofClaims((c) => c.pilotId)}::int[])[claim], (${ofClaims((c) => c.epoch)}::int[])[claim], 1,
             (${ofClaims((c) => c.claimSeq)}::bigint[])[claim], ${now} from n where is_sent),
    d as (
      insert into task_delta (task_id, activated, pending, sent)
      select task_id, sum(activated), sum(pending), sum(sent)
      from (select id as task_id, activated, pending, 0 as sent from f where fresh union all select task_id, -1, 0, 1 from n where is_sent) x
      group by task_id),
    h as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${now}::timestamptz, 'task', id, workflow_id, 'registered', state, case state when 'pending' then 'mustWait' else 'filled' end from f where fresh
      union all select ${now}::timestamptz, 'job', id, (${workflows}::bigint[])[task], 'activated', 'sent', 'claimed' from n where is_sent)
    select max(task_id) as "taskId", min(job_id) as "firstJobId", max(job_id) as "lastJobId",
           array_agg(case when is_sent then job_id end order by index) filter (where claim is not null) as sent
    from (
      select ord, case when fresh then id end as task_id, null::bigint as job_id, null::int as index, null::bigint as claim, false as is_sent from f
      union all select task, null, id, index, claim, is_sent from n) x
    group by ord order by ord`)
  return rows.map(({ taskId, sent, ...jobs }) => (taskId === null ? null : { taskId, ...jobs, sent: sent ?? [] }))
}

/** Arrays of SQL count from 1. */
const placeOf = (claim: number | undefined): number | null => (claim === undefined ? null : claim + 1)

/** More jobs of an open task, from index `first` on; the caller holds the lock of the task. */
export const insertJobs = (
  db: Db,
  t: { taskId: number; workflowId: number; laneId: number; priority: number; first: number; close: boolean },
  jobs: NewJobRows,
) =>
  db.row<{ firstJobId: number; lastJobId: number }>(sql`
    with n as materialized (
      select nextval('job_id') as id, ${t.first}::int + (u.ord - 1)::int as index, u.args, u.blob, u.bytes, u.state, u.unmet
      from unnest(${jobs.args}::text[], ${jobs.blobs}::text[], ${jobs.bytes}::bigint[], ${jobs.states}::text[], ${jobs.unmets}::int[])
           with ordinality u(args, blob, bytes, state, unmet, ord)),
    j as (
      insert into job (id, task_id, workflow_id, index, lane_id, state, unmet)
      select id, ${t.taskId}, ${t.workflowId}, index, ${t.laneId}::int, state, unmet from n),
    s as (insert into spec (job_id, args, args_blob, args_bytes) select id, args, blob, bytes from n),
    r as (
      insert into ready (lane_id, rank, job_id)
      select ${t.laneId}::int, ((${maxPriority} - ${t.priority}::int)::bigint << 40) | id, id from n where state = 'activated'),
    d as (
      insert into task_delta (task_id, activated, pending)
      select ${t.taskId}, count(*) filter (where state = 'activated'), count(*) filter (where state = 'pending') from n),
    u as (update task set jobs = jobs + ${jobs.args.length}::int, closed = ${t.close} where id = ${t.taskId})
    select min(id) as "firstJobId", max(id) as "lastJobId" from n`)

export type CallRow = {
  taskId: number
  firstJobId: number | null
  lastJobId: number | null
  jobs: number
  driverEpoch: number
}

export const knownCall = (db: Db, workflowId: number, scope: number, key: string) =>
  db.row<CallRow>(sql`
    select c.task_id as "taskId", t.jobs, (select j.id from job j where j.task_id = c.task_id and j.index = 0) as "firstJobId",
           (select j.id from job j where j.task_id = c.task_id and j.index = t.jobs - 1) as "lastJobId", w.driver_epoch as "driverEpoch"
    from call c join task t on t.id = c.task_id join workflow w on w.id = c.workflow_id
    where c.workflow_id = ${workflowId} and c.scope = ${scope} and c.key = ${key}`)

/** Kept in memory by those who serve claims. */
export type TaskFacts = TaskRequest & { id: number }

export const taskFacts = (db: Db, ids: number[]) =>
  db.rows<TaskFacts>(sql`
    select id, workflow_id as "workflowId", experiment_id as "experimentId", owner_id as "ownerId", parent_job_id as "parentJobId", name, payload,
           common, common_blob as "commonBlob", common_bytes as "commonBytes", lane_id as "laneId", cores, memory_mb as "memoryMb", wall_seconds as "wallSeconds",
           priority, attempts_user as "attemptsUser", attempts_site as "attemptsSite", attempts_lost as "attemptsLost", attempts_others as "attemptsOthers",
           lost_after_seconds as "lostAfterSeconds", gpus, queue, site, secrets, cache, trace
    from task where id = any(${ids}::bigint[])`)

export const taskTimes = (db: Db, ids: number[]) =>
  db.rows<{ id: number; createdAt: Date }>(
    sql`select id, created_at as "createdAt" from task where id = any(${ids}::bigint[])`,
  )

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
  /** How many of its jobs have come back by a retry, and it itself. */
  cameBack: number
  /** From which state it was paused. */
  cameFrom: TaskState | null
  formerPriorities: number[] | null
}

export const lockTasks = (db: Db, ids: number[]) =>
  db.rows<TaskRow>(sql`
    select id, workflow_id as "workflowId", owner_id as "ownerId", state, closed, unmet, jobs, lane_id as "laneId", priority, came_back as "cameBack",
           came_from as "cameFrom", former_priorities as "formerPriorities"
    from task where id = any(${ids}::bigint[]) order by id for no key update`)

export type TaskSize = { id: number; workflowId: number; jobs: number }

export const taskSizes = (db: Db, ids: number[]) =>
  db.rows<TaskSize>(sql`
    select id, workflow_id as "workflowId", jobs from task where id = any(${ids}::bigint[]) order by id`)

/** Those of these tasks that are in this state. */
export const tasksIn = (db: Db, ids: number[], state: TaskState) =>
  db.rows<{ id: number }>(sql`select id from task where id = any(${ids}::bigint[]) and state = ${state}`)

/** No more jobs will come. */
export const closeTask = (db: Db, id: number) => db.run(sql`update task set closed = true where id = ${id}`)

/** The task that jobs are to be added to, locked, with the newest driver of its workflow. */
export const lockOpenTask = (db: Db, id: number) =>
  db.row<TaskRow & { driverEpoch: number }>(sql`
    select t.id, workflow_id as "workflowId", owner_id as "ownerId", state, closed, unmet, jobs, lane_id as "laneId", priority, came_back as "cameBack",
           came_from as "cameFrom", former_priorities as "formerPriorities", (select driver_epoch from workflow w where w.id = t.workflow_id) as "driverEpoch"
    from task t where t.id = ${id} for no key update`)

/** Their jobs may lie under the old one until they were gone through (locks held). */
export const setPriority = (db: Db, ids: number[], priority: number) =>
  db.run(sql`
    update task set priority = ${priority},
      former_priorities = array(select distinct p from unnest(array_append(former_priorities, priority)) p where p <> ${priority} order by p)
    where id = any(${ids}::bigint[])`)

export const forgetFormerPriorities = (db: Db, id: number) =>
  db.run(sql`update task set former_priorities = null where id = ${id}`)

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
  /** The state to return to; null leaves what was kept. */
  cameFrom: TaskState | null
}

/** Compare-and-set of several tasks (their locks held), with their lines of history. */
export const moveTasks = (db: Db, moves: TaskMove[], now: Date) =>
  db.run(sql`
    with m as materialized (
      select * from unnest(${moves.map((m) => m.id)}::bigint[], ${moves.map((m) => m.workflowId)}::bigint[], ${moves.map((m) => m.from)}::text[],
                           ${moves.map((m) => m.to)}::text[], ${moves.map((m) => m.trigger)}::text[], ${moves.map((m) => m.why)}::text[],
                           ${moves.map((m) => m.ended)}::bool[], ${moves.map((m) => m.cameFrom)}::text[])
                    u(id, workflow_id, from_state, to_state, trigger, why, ended, came_from)),
    u as (
      update task t set state = m.to_state, came_from = coalesce(m.came_from, t.came_from), ended_at = case when m.ended then ${now}::timestamptz end
      from m where t.id = m.id and t.state = m.from_state)
    insert into history (at, noun, id, workflow_id, from_state, to_state, trigger, why)
    select ${now}, 'task', m.id, m.workflow_id, m.from_state, m.to_state, m.trigger, m.why from m`)
