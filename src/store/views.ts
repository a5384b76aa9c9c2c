import type { AttemptCause, AttemptEnd, HeldBy } from '../domain/job/causes.ts'
import type { JobEnd, JobState } from '../domain/job/states.ts'
import type { TaskState } from '../domain/task/states.ts'
import type { WorkflowState } from '../domain/workflow/states.ts'
import { type Db, sql } from './db.ts'

/** What lists and pages read: one statement each, by key, a page at a time; counters are read, never counted. */

/** Null, or not there, as long as no fold has counted. */
export type Counts = Partial<Record<JobState, number | null>>

export type WorkflowViewRow = {
  id: number
  experimentId: number
  name: string
  kind: 'function' | 'job' | 'session' | 'tasks'
  owner: string
  team: string
  state: WorkflowState
  createdAt: Date
  endedAt: Date | null
  driverSeenAt: Date | null
  held: boolean
  value: string | null
  valueBlob: string | null
  valueBytes: number | null
  error: string | null
  why: string | null
  labels: Record<string, string>
  run: string | null
  program: string | null
  tasksTotal: number
  tasksEnded: number
  tasksFailed: number
} & Counts

/** Newest first. */
export const workflowViews = (db: Db, ids: number[]) =>
  db.rows<WorkflowViewRow>(sql`
    select w.id, w.experiment_id as "experimentId", w.name, w.kind, p.name as owner, t.name as team, w.state, w.created_at as "createdAt", w.ended_at as "endedAt",
           w.driver_seen_at as "driverSeenAt", w.held, w.value, w.value_blob as "valueBlob", w.value_bytes as "valueBytes", w.error, w.why, w.labels, w.run, w.program,
           c.tasks_total as "tasksTotal", c.tasks_ended as "tasksEnded", c.tasks_failed as "tasksFailed",
           c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed
    from workflow w join person p on p.id = w.owner_id join team t on t.id = w.team_id join workflow_count c on c.workflow_id = w.id
    where w.id = any(${ids}::bigint[]) order by w.id desc`)

export type TaskViewRow = {
  id: number
  workflowId: number
  experimentId: number
  parentJobId: number | null
  name: string
  owner: string
  state: TaskState
  payload: string
  queues: string[]
  cores: number
  memoryMb: number | null
  gpus: number
  wallSeconds: number | null
  priority: number
  attemptsUser: number
  attemptsSite: number
  attemptsLost: number
  attemptsOthers: string | null
  lostAfterSeconds: number | null
  total: number
  round: number
  createdAt: Date
  endedAt: Date | null
  labels: Record<string, string>
} & Counts

/** Newest first. */
export const taskViews = (db: Db, ids: number[]) =>
  db.rows<TaskViewRow>(sql`
    select t.id, t.workflow_id as "workflowId", t.experiment_id as "experimentId", t.parent_job_id as "parentJobId", t.name, p.name as owner, t.state, t.payload,
           array(select q.name from lane l, unnest(l.queue_ids) u(id) join queue q on q.id = u.id where l.id = t.lane_id order by q.id) as queues,
           t.cores, t.memory_mb as "memoryMb", t.gpus, t.wall_seconds as "wallSeconds", t.priority, t.attempts_user as "attemptsUser", t.attempts_site as "attemptsSite",
           t.attempts_lost as "attemptsLost", t.attempts_others as "attemptsOthers", t.lost_after_seconds as "lostAfterSeconds", t.jobs as total, t.round,
           t.created_at as "createdAt", t.ended_at as "endedAt", t.labels,
           c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed
    from task t join person p on p.id = t.owner_id left join task_count c on c.task_id = t.id
    where t.id = any(${ids}::bigint[]) order by t.id desc`)

export const taskProgress = (db: Db, ids: number[]) =>
  db.rows<{ id: number; name: string; state: TaskState; total: number } & Counts>(sql`
    select t.id, t.name, t.state, t.jobs as total,
           c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed
    from task t left join task_count c on c.task_id = t.id where t.id = any(${ids}::bigint[])`)

export type JobLineRow = {
  id: number
  taskId: number
  index: number
  state: JobState
  attempt: number
  heldBy: HeldBy | null
  unmet: number
  cancelAsked: boolean
  cause: AttemptCause | null
}

type ValueRow = { text: string | null; blob: string | null; bytes: number | null }

export type JobEntryRow = JobLineRow & {
  fits: boolean
  isLast: boolean
  error: string | null
  sentAt: Date | null
  startedAt: Date | null
  endedAt: Date | null
  host: string | null
  wallSeconds: number | null
  cpuSeconds: number | null
  maxRssMb: number | null
  args: ValueRow | null
  value: ValueRow | null
}

/**
 * Jobs of a task with how their last attempts went. Arguments and values of more than `maxText` characters come without their text. Of `reach` jobs at most those that are asked for, and the
 * last of so many in any case (as in `lists.ts`).
 */
export const jobEntries = (
  db: Db,
  f: {
    taskId: number
    state: JobState | null
    cause: AttemptCause | null
    withArgs: boolean
    withValue: boolean
    maxText: number
    afterIndex: number
    limit: number
    reach: number
  },
) =>
  db.rows<JobEntryRow>(sql`
    with l as materialized (
      select j.id, j.task_id, j.index, j.state, j.attempt, j.held_by, j.unmet, j.cancel_asked, r.cause, r.error,
             j.fits and (${f.cause}::text is null or coalesce(r.cause = ${f.cause}::text, false)) as fits, j.n = ${f.reach} as is_last,
             case when ${f.withValue}::bool and r.job_id is not null and r.cause is null then json_build_object(
               'text', case when length(r.value) <= ${f.maxText}::int then r.value end, 'blob', r.value_blob, 'bytes', r.value_bytes) end as value
      from (
        select *, row_number() over (order by index) as n,
               (${f.state}::text is null or state = ${f.state}::text) and (${f.cause}::text is null or state in ('failed', 'cancelled')) as fits
        from job where task_id = ${f.taskId} and index > ${f.afterIndex} order by index limit ${f.reach}) j
      left join lateral (select * from result where job_id = j.id and j.fits offset 0) r on true
      where j.fits and (${f.cause}::text is null or r.cause = ${f.cause}::text) or j.n = ${f.reach}
      order by j.index limit ${f.limit})
    select l.fits, l.is_last as "isLast", l.id, l.task_id as "taskId", l.index, l.state, l.attempt, l.held_by as "heldBy", l.unmet, l.cancel_asked as "cancelAsked", l.cause, l.error, l.value,
           a.sent_at as "sentAt", a.started_at as "startedAt", a.ended_at as "endedAt", p.host, a.wall_seconds as "wallSeconds", a.cpu_seconds as "cpuSeconds",
           a.max_rss_mb as "maxRssMb",
           case when ${f.withArgs}::bool then (
             select json_build_object('text', case when length(args) <= ${f.maxText}::int then args end, 'blob', args_blob, 'bytes', args_bytes)
             from spec where job_id = l.id) end as args
    from l
    left join lateral (
      select sent_at, started_at, ended_at, pilot_id, wall_seconds, cpu_seconds, max_rss_mb from attempt where job_id = l.id and attempt = l.attempt
      union all
      select sent_at, started_at, null, pilot_id, null, null, null from held where job_id = l.id and member = 0
      union all
      select sent_at, started_at, ended_at, pilot_id, wall_seconds, cpu_seconds, max_rss_mb from deferred where job_id = l.id
      limit 1) a on true
    left join lateral (select host from pilot where id = a.pilot_id offset 0) p on true
    order by l.index`)

export type JobUseRow = { wallSeconds: number | null; cpuSeconds: number | null; maxRssMb: number | null }

/** What the last attempts of these jobs of a task used, of those that have ended with one. */
export const usesOfJobs = (db: Db, taskId: number, indexes: number[]) =>
  db.rows<JobUseRow>(sql`
    select a.wall_seconds as "wallSeconds", a.cpu_seconds as "cpuSeconds", a.max_rss_mb as "maxRssMb"
    from unnest(${indexes}::int[]) i(index)
    cross join lateral (select id, attempt, state from job where task_id = ${taskId} and index = i.index offset 0) j
    cross join lateral (select wall_seconds, cpu_seconds, max_rss_mb from attempt where job_id = j.id and attempt = j.attempt offset 0) a
    where j.state in ('finished', 'failed', 'cancelled', 'closed')`)

export const jobLineById = (db: Db, id: number) =>
  db.row<JobLineRow & { laneId: number }>(sql`
    select j.id, j.task_id as "taskId", j.index, j.state, j.attempt, j.held_by as "heldBy", j.unmet, j.cancel_asked as "cancelAsked", r.cause, j.lane_id as "laneId"
    from job j left join result r on r.job_id = j.id where j.id = ${id}`)

export type OutcomeRow = {
  id: number
  taskId: number
  index: number
  attempt: number
  state: JobEnd
  value: string | null
  blob: string | null
  bytes: number | null
  cause: AttemptCause | null
  error: string | null
}

export const outcomesByIds = (db: Db, ids: number[]) =>
  db.rows<OutcomeRow>(sql`
    select j.id, j.task_id as "taskId", j.index, j.attempt, j.state, r.value, r.value_blob as blob, r.value_bytes as bytes, r.cause, r.error
    from job j join result r on r.job_id = j.id
    where j.id = any(${ids}::bigint[]) and j.state in ('finished', 'failed', 'cancelled', 'closed')`)

/** Of `reach` jobs at most, as `jobEntries`. */
export const outcomesOfTask = (db: Db, f: { taskId: number; afterIndex: number; limit: number; reach: number }) =>
  db.rows<OutcomeRow & { fits: boolean; isLast: boolean }>(sql`
    select j.ended and r.job_id is not null as fits, j.n = ${f.reach} as "isLast",
           j.id, j.task_id as "taskId", j.index, j.attempt, j.state, r.value, r.value_blob as blob, r.value_bytes as bytes, r.cause, r.error
    from (
      select *, row_number() over (order by index) as n, state in ('finished', 'failed', 'cancelled', 'closed') as ended
      from job where task_id = ${f.taskId} and index > ${f.afterIndex} order by index limit ${f.reach}) j
    left join lateral (select * from result where job_id = j.id and j.ended offset 0) r on true
    where j.ended and r.job_id is not null or j.n = ${f.reach}
    order by j.index limit ${f.limit}`)

export const specOf = (db: Db, jobId: number) =>
  db.row<{ args: string | null; blob: string | null; bytes: number | null }>(sql`
    select args, args_blob as blob, args_bytes as bytes from spec where job_id = ${jobId}`)

export const resultOf = (db: Db, jobId: number) =>
  db.row<{
    value: string | null
    blob: string | null
    bytes: number | null
    cause: AttemptCause | null
    error: string | null
  }>(sql`
    select value, value_blob as blob, value_bytes as bytes, cause, error from result where job_id = ${jobId}`)

export type AttemptViewRow = {
  attempt: number
  ending: AttemptEnd | null
  pilotId: number
  host: string
  sentAt: Date
  startedAt: Date | null
  endedAt: Date | null
  cause: AttemptCause | null
  error: string | null
  exitCode: number | null
  signal: string | null
  wallSeconds: number | null
  cpuSeconds: number | null
  maxRssMb: number | null
}

export const attemptsOf = (db: Db, jobId: number) =>
  db.rows<AttemptViewRow>(sql`
    select a.attempt, a.ending, a.pilot_id as "pilotId", p.host, a.sent_at as "sentAt", a.started_at as "startedAt", a.ended_at as "endedAt", a.cause, a.error,
           a.exit_code as "exitCode", a.signal, a.wall_seconds as "wallSeconds", a.cpu_seconds as "cpuSeconds", a.max_rss_mb as "maxRssMb"
    from attempt a join pilot p on p.id = a.pilot_id where a.job_id = ${jobId}
    union all
    select h.attempt, null, h.pilot_id, p.host, h.sent_at, h.started_at, null, null, null, null, null, null, null, null
    from held h join pilot p on p.id = h.pilot_id where h.job_id = ${jobId} and h.member = 0
    union all
    select d.attempt, null, d.pilot_id, p.host, d.sent_at, d.started_at, d.ended_at, null, null, null, null, d.wall_seconds, d.cpu_seconds, d.max_rss_mb
    from deferred d join pilot p on p.id = d.pilot_id where d.job_id = ${jobId}
    order by 1`)

export type PilotViewRow = {
  id: number
  name: string
  queue: string
  host: string
  state: 'online' | 'suspect' | 'gone'
  epoch: number
  slots: number
  gpus: number
  jobs: number
  seenAt: Date
  startedAt: Date
}

export const pilotViews = (db: Db, below: number, limit: number) =>
  db.rows<PilotViewRow>(sql`
    select p.id, p.name, q.name as queue, p.host, p.state, p.epoch, p.slots, p.gpus, (select count(*)::int from held h where h.pilot_id = p.id) as jobs,
           p.seen_at as "seenAt", p.started_at as "startedAt"
    from pilot p join queue q on q.id = p.queue_id where p.id < ${below} order by p.id desc limit ${limit}`)

/** Those that are silent. */
export const suspectPilots = (db: Db, limit: number) =>
  db.rows<PilotViewRow>(sql`
    select p.id, p.name, q.name as queue, p.host, p.state, p.epoch, p.slots, p.gpus, (select count(*)::int from held h where h.pilot_id = p.id) as jobs,
           p.seen_at as "seenAt", p.started_at as "startedAt"
    from pilot p join queue q on q.id = p.queue_id where p.state <> 'gone' and p.state = 'suspect' order by p.id desc limit ${limit}`)

/** `waiting` looks at no more than 1,000 rows of each lane: what people need to know is whether there are many. */
export const queueViews = (db: Db) =>
  db.rows<{
    name: string
    site: string
    state: string
    pilots: number
    slots: number
    gpus: number
    running: number
    waiting: number
    environment: string | null
  }>(sql`
    with p as materialized (
      select p.queue_id, count(*) filter (where p.state = 'online')::int as pilots, coalesce(sum(p.slots) filter (where p.state = 'online'), 0)::int as slots,
             coalesce(sum(p.gpus) filter (where p.state = 'online'), 0)::int as gpus, coalesce(sum(h.n), 0)::int as running
      from pilot p, lateral (select count(*) as n from held h where h.pilot_id = p.id) h
      where p.state <> 'gone' group by p.queue_id),
    w as materialized (
      select u.id as queue_id, sum(r.n)::int as waiting
      from lane l, lateral (select count(*) as n from (select from ready r where r.lane_id = l.id limit 1000) x) r, unnest(l.queue_ids) u(id)
      where l.purpose <> 'resume' group by u.id)
    select q.name, s.name as site, q.state, q.environment, coalesce(p.pilots, 0) as pilots, coalesce(p.slots, 0) as slots, coalesce(p.gpus, 0) as gpus,
           coalesce(p.running, 0) as running, coalesce(w.waiting, 0) as waiting
    from queue q join site s on s.id = q.site_id left join p on p.queue_id = q.id left join w on w.queue_id = q.id order by q.id`)

export const personName = (db: Db, id: number) =>
  db.row<{ name: string }>(sql`select name from person where id = ${id}`)
