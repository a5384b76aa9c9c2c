import type { AttemptCause, AttemptEnd, HeldBy } from '../domain/job/causes.ts'
import type { JobEnd, JobState } from '../domain/job/states.ts'
import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'
import { maxPriority } from './tasks.ts'

export type LockedJob = {
  id: number
  taskId: number
  index: number
  state: JobState
  attempt: number
  unmet: number
  hasChildren: boolean
  cancelAsked: boolean
  heldBy: HeldBy | null
  laneId: number
}

/** Locks in order of id, the one order in which jobs are locked everywhere. */
export const lockJobs = (db: Db, ids: number[]) =>
  db.rows<LockedJob>(sql`
    select id, task_id as "taskId", index, state, attempt, unmet, has_children as "hasChildren", cancel_asked as "cancelAsked",
           held_by as "heldBy", lane_id as "laneId"
    from job where id = any(${ids}::bigint[]) order by id for no key update`)

/**
 * The same for jobs that may end: those that wait for them are locked with them, in the same order. Locked afterwards they would be out of it: who submits work that waits for both a child of the
 * first and the last of these has the one and wants the other. (What is submitted meanwhile waits for their locks.) Of one that has more children than `most`, which move at once, some are locked
 * and none is moved.
 */
export const lockFamilies = (db: Db, ids: number[], most: number) =>
  db.rows<LockedJob>(sql`
    with l as materialized (
      select id, task_id, index, state, attempt, unmet, has_children, cancel_asked, held_by, lane_id from job
      where id = any(array(
        select unnest(${ids}::bigint[])
        union all select e.child_id from unnest(${ids}::bigint[]) p(id) cross join lateral (select child_id from edge where parent_id = p.id limit ${most}) e))
      order by id for no key update)
    select id, task_id as "taskId", index, state, attempt, unmet, has_children as "hasChildren", cancel_asked as "cancelAsked",
           held_by as "heldBy", lane_id as "laneId"
    from l where id = any(${ids}::bigint[]) order by id`)

export const jobsOfTask = (db: Db, taskId: number, states: JobState[], afterIndex: number, limit: number) =>
  db.rows<{ id: number; index: number }>(sql`
    select id, index from job where task_id = ${taskId} and index > ${afterIndex} and state = any(${states}::text[]) order by index limit ${limit}`)

export const taskOfJob = async (db: Db, id: number): Promise<number | undefined> =>
  (await db.row<{ taskId: number }>(sql`select task_id as "taskId" from job where id = ${id}`))?.taskId

export const jobIdsFrom = (db: Db, taskId: number, firstIndex: number) =>
  db.rows<{ id: number; index: number }>(
    sql`select id, index from job where task_id = ${taskId} and index >= ${firstIndex} order by index`,
  )

export type JobMove = {
  id: number
  taskId: number
  workflowId: number
  from: JobState
  to: JobState
  trigger: string
  why: string | null
  heldBy?: HeldBy | null
}

/** Moves jobs whose locks are held: their state, their line of history, and the deltas of their tasks. */
export const moveJobs = (db: Db, moves: JobMove[], now: Date) =>
  db.run(sql`
    with m as materialized (
      select * from unnest(${moves.map((m) => m.id)}::bigint[], ${moves.map((m) => m.taskId)}::bigint[], ${moves.map((m) => m.workflowId)}::bigint[],
                           ${moves.map((m) => m.from)}::text[], ${moves.map((m) => m.to)}::text[], ${moves.map((m) => m.trigger)}::text[],
                           ${moves.map((m) => m.why)}::text[], ${moves.map((m) => m.heldBy ?? null)}::text[])
                    u(id, task_id, workflow_id, from_state, to_state, trigger, why, held_by)),
    u as (
      update job j set state = m.to_state, held_by = m.held_by, released = m.to_state = 'finished',
                       cancel_asked = j.cancel_asked and m.to_state not in ('cancelled', 'finished', 'failed')
      from m where j.id = m.id),
    d as (
      insert into task_delta (task_id, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed, came_back)
      select task_id, sum(n) filter (where s = 'pending'), sum(n) filter (where s = 'activated'), sum(n) filter (where s = 'sent'),
             sum(n) filter (where s = 'starting'), sum(n) filter (where s = 'running'), sum(n) filter (where s = 'awaiting'),
             sum(n) filter (where s = 'holding'), sum(n) filter (where s = 'transferring'), sum(n) filter (where s = 'merging'),
             sum(n) filter (where s = 'finished'), sum(n) filter (where s = 'failed'), sum(n) filter (where s = 'cancelled'), sum(n) filter (where s = 'closed'),
             sum(1) filter (where n < 0 and s in ('failed', 'cancelled'))
      from (select task_id, to_state as s, 1 as n from m union all select task_id, from_state, -1 from m) x group by task_id)
    insert into history (at, noun, id, workflow_id, from_state, to_state, trigger, why)
    select ${now}, 'job', m.id, m.workflow_id, m.from_state, m.to_state, m.trigger, m.why from m`)

/**
 * Puts activated jobs (locks held) where they can be claimed; one that lies there already (a late drop of the claim) stays as it is. Those of a task in one of the states `holding` are
 * held instead, and none is left under an earlier priority.
 */
export const insertReady = (db: Db, jobIds: number[], holding: readonly TaskState[]) =>
  db.rows<{ laneId: number }>(sql`
    with i as materialized (
      select j.id, j.lane_id, t.priority, t.former_priorities as former, t.state = any(${holding}::text[]) as holds
      from unnest(${jobIds}::bigint[]) i(id), lateral (select id, lane_id, task_id from job where id = i.id) j,
           lateral (select priority, former_priorities, state from task where id = j.task_id offset 0) t),
    old as (
      delete from ready where ctid = any(array(
        select r.tid
        from i, unnest(case when holds then former || priority else former end) p,
             lateral (select ctid as tid from ready where lane_id = i.lane_id and rank = ((${maxPriority} - p)::bigint << 40) | i.id offset 0) r))),
    h as (update job set held_by = 'pause' where id = any(array(select id from i where holds))),
    r as (
      insert into ready (lane_id, rank, job_id)
      select lane_id, ((${maxPriority} - priority)::bigint << 40) | id, id from i where not holds
      on conflict do nothing returning lane_id)
    select distinct lane_id as "laneId" from r`)

/**
 * Takes back what `insertReady` put there, under whatever priority, for jobs whose lock is held. It may wait for a claim that has picked such a row, which waits for no job, and leaves
 * those whose job it could not lock.
 */
export const removeReady = (db: Db, jobIds: number[]) =>
  db.run(sql`
    delete from ready where ctid = any(array(
      select r.tid
      from unnest(${jobIds}::bigint[]) i(id), lateral (select id, lane_id, task_id from job where id = i.id) j,
           lateral (select priority, former_priorities from task where id = j.task_id offset 0) t, unnest(t.former_priorities || t.priority) p,
           lateral (select ctid as tid from ready where lane_id = j.lane_id and rank = ((${maxPriority} - p)::bigint << 40) | j.id offset 0) r))`)

/** Puts a job into its pilot's resume lane. */
export const insertResume = (db: Db, rows: { laneId: number; jobId: number }[]) =>
  db.run(sql`
    insert into ready (lane_id, rank, job_id)
    select * from unnest(${rows.map((r) => r.laneId)}::int[], ${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.jobId)}::bigint[])
    on conflict do nothing`)

/** Jobs whose locks are held, and that lie in no lane now, ask for another size from here on. */
export const moveToLanes = (db: Db, rows: { jobId: number; laneId: number }[]) =>
  db.run(sql`
    update job j set lane_id = u.lane_id
    from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.laneId)}::int[]) u(job_id, lane_id) where j.id = u.job_id`)

export const clearHeldBy = (db: Db, ids: number[]) =>
  db.run(sql`update job set held_by = null where id = any(${ids}::bigint[])`)

export const holdForPause = (db: Db, ids: number[]) =>
  db.run(sql`update job set held_by = 'pause' where id = any(${ids}::bigint[])`)

/** Noted beside what their pilots hold as well, where a claim finds it by its pilot. */
export const askCancel = (db: Db, ids: number[]) =>
  db.run(sql`
    with h as (update held set cancel_asked = true where job_id = any(${ids}::bigint[]))
    update job set cancel_asked = true where id = any(${ids}::bigint[])`)

export type ResultRow = {
  jobId: number
  value: string | null
  blob: string | null
  bytes: number | null
  cause: AttemptCause | null
  error: string | null
}

/**
 * Jobs that have ended, and what is counted of that in reports. A retried job's earlier failure makes way for how it ended at last. The place where it ended is that of its last
 * attempt, which its pilot may hold still.
 */
export const insertResults = (db: Db, rows: (ResultRow & { ending: JobEnd })[], now: Date) =>
  db.run(sql`
    with e as materialized (
      select * from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.ending)}::text[], ${rows.map((r) => r.value)}::text[],
                           ${rows.map((r) => r.blob)}::text[], ${rows.map((r) => r.bytes)}::bigint[], ${rows.map((r) => r.cause)}::text[], ${rows.map((r) => r.error)}::text[])
                    u(job_id, ending, value, blob, bytes, cause, error)),
    r as (
      insert into result (job_id, value, value_blob, value_bytes, cause, error)
      select job_id, value, blob, bytes, cause, error from e
      on conflict (job_id) do update set value = excluded.value, value_blob = excluded.value_blob, value_bytes = excluded.value_bytes,
                                         cause = excluded.cause, error = excluded.error)
    insert into usage_delta (at, task_id, pilot_id, ending, cause, jobs)
    select ${now}::timestamptz, j.task_id, p.pilot_id, e.ending, e.cause, count(*)
    from e
    cross join lateral (select task_id, attempt from job where id = e.job_id offset 0) j
    left join lateral (
      select pilot_id from attempt where job_id = e.job_id and attempt = j.attempt
      union all select pilot_id from held where job_id = e.job_id and attempt = j.attempt and member = 0 limit 1) p on true
    group by j.task_id, p.pilot_id, e.ending, e.cause`)

export type AttemptRow = {
  jobId: number
  attempt: number
  ending: AttemptEnd
  pilotId: number
  sentAt: Date
  startedAt: Date | null
  endedAt: Date
  cause: AttemptCause | null
  error: string | null
  exitCode: number | null
  signal: string | null
  wallSeconds: number | null
  cpuSeconds: number | null
  maxRssMb: number | null
}

/** An attempt ends once: a second end of the same attempt changes nothing. */
export const insertAttempts = (db: Db, rows: AttemptRow[], now: Date) =>
  db.run(sql`
    with a as (
      insert into attempt (job_id, attempt, ending, pilot_id, sent_at, started_at, ended_at, cause, error, exit_code, signal, wall_seconds, cpu_seconds, max_rss_mb)
      select * from unnest(
        ${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[], ${rows.map((r) => r.ending)}::text[], ${rows.map((r) => r.pilotId)}::int[],
        ${rows.map((r) => r.sentAt)}::timestamptz[], ${rows.map((r) => r.startedAt)}::timestamptz[], ${rows.map((r) => r.endedAt)}::timestamptz[],
        ${rows.map((r) => r.cause)}::text[], ${rows.map((r) => r.error)}::text[], ${rows.map((r) => r.exitCode)}::int[], ${rows.map((r) => r.signal)}::text[],
        ${rows.map((r) => r.wallSeconds)}::real[], ${rows.map((r) => r.cpuSeconds)}::real[], ${rows.map((r) => r.maxRssMb)}::real[])
      on conflict do nothing returning job_id, pilot_id, ending, cause, wall_seconds, cpu_seconds)
    insert into usage_delta (at, task_id, pilot_id, ending, cause, attempts, wall_seconds, cpu_seconds)
    select ${now}::timestamptz, j.task_id, a.pilot_id, a.ending, a.cause, count(*), coalesce(sum(a.wall_seconds::float8), 0), coalesce(sum(a.cpu_seconds::float8), 0)
    from a cross join lateral (select task_id from job where id = a.job_id offset 0) j
    group by j.task_id, a.pilot_id, a.ending, a.cause`)

/** How many attempts of these jobs have ended for each cause since they were retried last: what the rules of retry count. */
export const causesSoFar = (db: Db, jobIds: number[]) =>
  db.rows<{ jobId: number; cause: AttemptCause; n: number }>(sql`
    select a.job_id as "jobId", a.cause, count(*)::int as n
    from unnest(${jobIds}::bigint[]) i(id)
    cross join lateral (select coalesce(retried_after, 0) as after from job where id = i.id offset 0) j
    cross join lateral (
      select job_id, cause from attempt
      where job_id = i.id and attempt > j.after and ending in ('failed', 'lost') and cause is not null offset 0) a
    group by a.job_id, a.cause`)

/** How an attempt ended; undefined when it has not. */
export const endingOf = async (db: Db, jobId: number, attempt: number): Promise<AttemptEnd | undefined> =>
  (
    await db.row<{ ending: AttemptEnd }>(
      sql`select ending from attempt where job_id = ${jobId} and attempt = ${attempt}`,
    )
  )?.ending

export type FinishedRow = {
  jobId: number
  attempt: number
  value: string | null
  blob: string | null
  bytes: number | null
  startedAt: Date | null
  endedAt: Date
  wallSeconds: number | null
  cpuSeconds: number | null
  maxRssMb: number | null
}

export type FinishedJob = { id: number; taskId: number; index: number; workflowId: number }

/**
 * The hot way of a report: jobs that finished well and that nobody waits for. One statement, so one trip and one commit: registers the result, ends the
 * attempt, frees the holder, moves the job by compare-and-set, and counts. Rows must come in order of job id, which is the order of its locks.
 * What does not come back was stale, is not this pilot's, or has children: the caller looks which. (A hold that was seen may be gone by the time the lock of its job is had, since
 * the attempt was given up meanwhile: only what this statement deletes itself counts.)
 */
export const finishJobs = (
  db: Db,
  {
    rows,
    from,
    pilotId,
    epoch,
    now,
  }: { rows: FinishedRow[]; from: JobState[]; pilotId: number; epoch: number; now: Date },
) =>
  db.rows<FinishedJob>(sql`
    with seen as materialized (
      select i.*, j.task_id, j.workflow_id, j.index, j.state, h.sent_at
      from unnest(
             ${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[], ${rows.map((r) => r.value)}::text[], ${rows.map((r) => r.blob)}::text[],
             ${rows.map((r) => r.bytes)}::bigint[], ${rows.map((r) => r.startedAt)}::timestamptz[], ${rows.map((r) => r.endedAt)}::timestamptz[],
             ${rows.map((r) => r.wallSeconds)}::real[], ${rows.map((r) => r.cpuSeconds)}::real[], ${rows.map((r) => r.maxRssMb)}::real[])
             i(job_id, attempt, value, blob, bytes, started_at, ended_at, wall, cpu, rss)
      cross join lateral (
        select task_id, workflow_id, index, state, has_children from job where id = i.job_id and attempt = i.attempt for no key update) j
      cross join lateral (
        select attempt, pilot_id, epoch, sent_at from held where job_id = i.job_id and member = 0 offset 0) h
      where h.attempt = i.attempt and h.pilot_id = ${pilotId} and h.epoch = ${epoch} and j.state = any(${from}::text[]) and not j.has_children),
    g as (delete from held where job_id = any(array(select job_id from seen)) and member = 0 returning job_id),
    ok as materialized (select * from seen where (job_id in (select job_id from g)) is true),
    u as (update job set state = 'finished', released = true, held_by = null, cancel_asked = false where id = any(array(select job_id from ok))),
    a as (
      insert into attempt (job_id, attempt, ending, pilot_id, sent_at, started_at, ended_at, wall_seconds, cpu_seconds, max_rss_mb)
      select job_id, attempt, 'finished', ${pilotId}, sent_at, started_at, ended_at, wall, cpu, rss from ok on conflict do nothing),
    r as (insert into result (job_id, value, value_blob, value_bytes) select job_id, value, blob, bytes from ok
          on conflict (job_id) do update set value = excluded.value, value_blob = excluded.value_blob, value_bytes = excluded.value_bytes, cause = null, error = null),
    d as (
      insert into task_delta (task_id, activated, sent, starting, running, awaiting, finished)
      select task_id, -count(*) filter (where state = 'activated'), -count(*) filter (where state = 'sent'), -count(*) filter (where state = 'starting'),
             -count(*) filter (where state = 'running'), -count(*) filter (where state = 'awaiting'), count(*)
      from ok group by task_id),
    v as (
      insert into usage_delta (at, task_id, pilot_id, ending, attempts, jobs, wall_seconds, cpu_seconds)
      select ${now}, task_id, ${pilotId}, 'finished', count(*), count(*), coalesce(sum(wall::float8), 0), coalesce(sum(cpu::float8), 0) from ok group by task_id),
    e as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${now}, 'job', job_id, workflow_id, state, 'finished', 'succeeded' from ok)
    select job_id as id, task_id as "taskId", index, workflow_id as "workflowId" from ok`)
