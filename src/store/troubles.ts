import type { AttemptCause } from '../domain/job/causes.ts'
import type { JobState } from '../domain/job/states.ts'
import { type Db, sql } from './db.ts'

type KindRow = { cause: AttemptCause; fingerprint: string; text: string }
type JobTry = { jobId: number; attempt: number }

/** Attempts of one kind that failed in one transaction, of one task at one pilot. */
export type TroubleDelta = KindRow & { taskId: number; pilotId: number; attempts: number; jobs: JobTry[]; at: Date }

export const appendTroubles = (db: Db, rows: TroubleDelta[]) =>
  db.run(sql`
    insert into trouble_delta (task_id, pilot_id, cause, fingerprint, text, attempts, job_ids, tries, at)
    select task_id, pilot_id, cause, fingerprint, text, attempts, job_ids::bigint[], tries::int[], at
    from unnest(${rows.map((r) => r.taskId)}::bigint[], ${rows.map((r) => r.pilotId)}::int[], ${rows.map((r) => r.cause)}::text[],
                ${rows.map((r) => r.fingerprint)}::text[], ${rows.map((r) => r.text)}::text[], ${rows.map((r) => r.attempts)}::int[],
                ${rows.map((r) => `{${r.jobs.map((job) => job.jobId)}}`)}::text[], ${rows.map((r) => `{${r.jobs.map((job) => job.attempt)}}`)}::text[],
                ${rows.map((r) => r.at)}::timestamptz[])
         u(task_id, pilot_id, cause, fingerprint, text, attempts, job_ids, tries, at)`)

/** One folder at a time, in its transaction. False when another one folds. */
export const takeTroubleLock = async (db: Db): Promise<boolean> =>
  (await db.row<{ got: boolean }>(sql`select pg_try_advisory_xact_lock(7292) as got`))!.got

export type TakenTrouble = TroubleDelta & { experimentId: number; ownerId: number; queueId: number; host: string }

/** Takes up to `limit` appended deltas, with whose they are and where it was. */
export const takeTroubles = async (db: Db, limit: number): Promise<TakenTrouble[]> => {
  const rows = await db.rows<Omit<TakenTrouble, 'jobs'> & { jobIds: number[]; tries: number[] }>(sql`
    with gone as materialized (
      delete from trouble_delta where ctid = any(array(select ctid from trouble_delta limit ${limit} for update skip locked)) returning *)
    select g.task_id as "taskId", g.pilot_id as "pilotId", g.cause, g.fingerprint, g.text, g.attempts, to_json(g.job_ids) as "jobIds", g.tries, g.at,
           t.experiment_id as "experimentId", t.owner_id as "ownerId", p.queue_id as "queueId", p.host
    from gone g
    cross join lateral (select experiment_id, owner_id from task where id = g.task_id offset 0) t
    cross join lateral (select queue_id, host from pilot where id = g.pilot_id offset 0) p
    order by g.at`)
  return rows.map(({ jobIds, tries, ...row }) => ({
    ...row,
    jobs: jobIds.map((jobId, i) => ({ jobId, attempt: tries[i]! })),
  }))
}

/** Which kinds these tasks have by now. */
export const kindsOfTasks = (db: Db, taskIds: number[]) =>
  db.rows<{ taskId: number; cause: AttemptCause; fingerprint: string }>(sql`
    select i.id as "taskId", t.cause, t.fingerprint
    from unnest(${taskIds}::bigint[]) i(id)
    cross join lateral (select trouble_id from task_trouble where task_id = i.id offset 0) k
    cross join lateral (select cause, fingerprint from trouble where id = k.trouble_id offset 0) t`)

export type TroubleKey = { id: number; experimentId: number; cause: AttemptCause; fingerprint: string }

/** Adds to the kinds, in order of time; gives their ids. */
export const addTroubles = (db: Db, rows: TakenTrouble[]) =>
  db.rows<TroubleKey>(sql`
    insert into trouble as t (experiment_id, cause, fingerprint, text, first_at, last_at, attempts, job_id)
    select experiment_id, cause, fingerprint, (array_agg(text order by at desc))[1], min(at), max(at), sum(attempts), (array_agg(job_id order by at desc))[1]
    from unnest(${rows.map((r) => r.experimentId)}::int[], ${rows.map((r) => r.cause)}::text[], ${rows.map((r) => r.fingerprint)}::text[],
                ${rows.map((r) => r.text)}::text[], ${rows.map((r) => r.attempts)}::int[], ${rows.map((r) => r.jobs[0]!.jobId)}::bigint[],
                ${rows.map((r) => r.at)}::timestamptz[]) u(experiment_id, cause, fingerprint, text, attempts, job_id, at)
    group by 1, 2, 3
    on conflict (experiment_id, cause, fingerprint) do update set
      text = excluded.text, last_at = greatest(t.last_at, excluded.last_at), attempts = t.attempts + excluded.attempts, job_id = excluded.job_id
    returning id, experiment_id as "experimentId", cause, fingerprint`)

export type AddedTrouble = TakenTrouble & { troubleId: number }

/** Adds to the hours, hosts, users and tasks of troubles, and counts the users and tasks that are new to them. */
export const spreadTroubles = (db: Db, rows: AddedTrouble[]) =>
  db.run(sql`
    with i as materialized (
      select * from unnest(
        ${rows.map((r) => r.troubleId)}::bigint[], ${rows.map((r) => r.experimentId)}::int[], ${rows.map((r) => r.taskId)}::bigint[], ${rows.map((r) => r.ownerId)}::int[],
        ${rows.map((r) => r.queueId)}::int[], ${rows.map((r) => r.host)}::text[], ${rows.map((r) => r.attempts)}::int[], ${rows.map((r) => r.jobs[0]!.jobId)}::bigint[],
        ${rows.map((r) => r.at)}::timestamptz[]) u(trouble_id, experiment_id, task_id, owner_id, queue_id, host, attempts, job_id, at)),
    h as (
      insert into trouble_hour as c (experiment_id, hour, trouble_id, queue_id, attempts)
      select experiment_id, date_trunc('hour', at, 'UTC'), trouble_id, queue_id, sum(attempts) from i group by 1, 2, 3, 4
      on conflict (experiment_id, hour, trouble_id, queue_id) do update set attempts = c.attempts + excluded.attempts),
    o as (
      insert into trouble_host as c (trouble_id, queue_id, host, attempts, last_at)
      select trouble_id, queue_id, host, sum(attempts), max(at) from i group by 1, 2, 3
      on conflict (trouble_id, queue_id, host) do update set attempts = c.attempts + excluded.attempts, last_at = greatest(c.last_at, excluded.last_at)),
    u as (
      insert into trouble_user as c (trouble_id, owner_id, attempts) select trouble_id, owner_id, sum(attempts) from i group by 1, 2
      on conflict (trouble_id, owner_id) do update set attempts = c.attempts + excluded.attempts
      returning trouble_id, c.xmax = 0 as is_new),
    t as (
      insert into task_trouble as c (task_id, trouble_id, attempts, first_at, last_at, job_id)
      select task_id, trouble_id, sum(attempts), min(at), max(at), (array_agg(job_id order by at desc))[1] from i group by 1, 2
      on conflict (task_id, trouble_id) do update set
        attempts = c.attempts + excluded.attempts, last_at = greatest(c.last_at, excluded.last_at), job_id = excluded.job_id
      returning trouble_id, c.xmax = 0 as is_new)
    update trouble k set tasks = k.tasks + n.tasks, users = k.users + n.users
    from (select trouble_id, count(*) filter (where of_task) as tasks, count(*) filter (where not of_task) as users
          from (select trouble_id, is_new, true as of_task from t union all select trouble_id, is_new, false from u) x where is_new group by 1) n
    where k.id = n.trouble_id`)

/** Each (trouble, job) stands in the rows once. Of each trouble the newest `most` jobs stay. */
export const keepTroubleJobs = async (db: Db, rows: (JobTry & { troubleId: number; at: Date })[], most: number) => {
  await db.run(sql`
    insert into trouble_job (trouble_id, job_id, attempt, at)
    select * from unnest(${rows.map((r) => r.troubleId)}::bigint[], ${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[],
                         ${rows.map((r) => r.at)}::timestamptz[])
    on conflict (trouble_id, job_id) do update set attempt = excluded.attempt, at = excluded.at`)
  await db.run(sql`
    delete from trouble_job j
    using unnest(${[...new Set(rows.map((r) => r.troubleId))]}::bigint[]) i(id),
      lateral (select at, job_id from trouble_job where trouble_id = i.id order by at desc, job_id desc offset ${most} limit 1) last
    where j.trouble_id = i.id and (j.at, j.job_id) <= (last.at, last.job_id)`)
}

export const forgetTroubleHours = (db: Db, before: Date) => db.run(sql`delete from trouble_hour where hour < ${before}`)

/** Hours of a window: from `from` on, before `until`. */
type Window = { from: Date; until: Date }

export type TroubleRow = KindRow & {
  id: number
  attempts: number
  queues: string[]
  firstAt: Date
  lastAt: Date
  total: number
  tasks: number
  users: number
  jobId: number
}

/** Those of a window, the most frequent first. */
export const troublesIn = (
  db: Db,
  f: Window & { experimentId: number; queue: string | null; cause: AttemptCause | null; limit: number },
) =>
  db.rows<TroubleRow>(sql`
    with h as materialized (
      select trouble_id, queue_id, sum(attempts) as n from trouble_hour
      where experiment_id = ${f.experimentId} and hour >= ${f.from} and hour < ${f.until}
        and (${f.queue}::text is null or queue_id = (select id from queue where name = ${f.queue}::text))
      group by 1, 2),
    s as (
      select h.trouble_id, sum(h.n) as n, array_agg(q.name order by h.n desc, q.name) as queues
      from h cross join lateral (select name from queue where id = h.queue_id offset 0) q group by 1)
    select t.id, t.cause, t.fingerprint, t.text, s.n::bigint as attempts, s.queues[1:20] as queues, t.first_at as "firstAt", t.last_at as "lastAt",
           t.attempts as total, t.tasks, t.users, t.job_id as "jobId"
    from s cross join lateral (select * from trouble where id = s.trouble_id offset 0) t
    where ${f.cause}::text is null or t.cause = ${f.cause}::text
    order by s.n desc, t.last_at desc, t.id limit ${f.limit}`)

/** The attempts of these troubles by steps of the window, and by queue. */
export const troubleSteps = (db: Db, f: Window & { ids: number[]; queue: string | null; stepSeconds: number }) =>
  db.rows<{ id: number; queue: string; step: number; attempts: number }>(sql`
    with h as materialized (
      select c.trouble_id, c.queue_id, floor(extract(epoch from c.hour - ${f.from}::timestamptz) / ${f.stepSeconds}::int)::int as step, sum(c.attempts)::bigint as n
      from unnest(${f.ids}::bigint[]) i(id)
      cross join lateral (
        select trouble_id, queue_id, hour, attempts from trouble_hour
        where trouble_id = i.id and hour >= ${f.from} and hour < ${f.until}
          and (${f.queue}::text is null or queue_id = (select id from queue where name = ${f.queue}::text)) offset 0) c
      group by 1, 2, 3)
    select h.trouble_id as id, q.name as queue, h.step, h.n as attempts
    from h cross join lateral (select name from queue where id = h.queue_id offset 0) q`)

export const troubleById = (db: Db, id: number) =>
  db.row<Omit<TroubleRow, 'attempts' | 'queues'> & { experimentId: number }>(sql`
    select id, experiment_id as "experimentId", cause, fingerprint, text, first_at as "firstAt", last_at as "lastAt", attempts as total, tasks, users, job_id as "jobId"
    from trouble where id = ${id}`)

export const hostsOfTrouble = (db: Db, id: number, limit: number) =>
  db.rows<{ host: string; queue: string; attempts: number; lastAt: Date }>(sql`
    select h.host, q.name as queue, h.attempts, h.last_at as "lastAt"
    from (select * from trouble_host where trouble_id = ${id} order by attempts desc, host limit ${limit}) h
    cross join lateral (select name from queue where id = h.queue_id offset 0) q order by h.attempts desc, h.host`)

export const peopleOfTrouble = (db: Db, id: number, limit: number) =>
  db.rows<{ name: string; attempts: number }>(sql`
    select p.name, u.attempts
    from (select * from trouble_user where trouble_id = ${id} order by attempts desc, owner_id limit ${limit}) u
    cross join lateral (select name from person where id = u.owner_id offset 0) p order by u.attempts desc, p.name`)

export type TroubleJobRow = {
  id: number
  taskId: number
  taskName: string
  owner: string
  state: JobState
  attempt: number
  at: Date
  host: string | null
  queue: string | null
  error: string | null
}

export const jobsOfTrouble = (db: Db, id: number, limit: number) =>
  db.rows<TroubleJobRow>(sql`
    select k.job_id as id, j.task_id as "taskId", t.name as "taskName", p.name as owner, j.state, k.attempt, k.at, a.host, a.queue, a.error
    from (select * from trouble_job where trouble_id = ${id} order by at desc, job_id desc limit ${limit}) k
    cross join lateral (select task_id, state from job where id = k.job_id offset 0) j
    cross join lateral (select name, owner_id from task where id = j.task_id offset 0) t
    cross join lateral (select name from person where id = t.owner_id offset 0) p
    left join lateral (
      select x.host, q.name as queue, a.error from attempt a join pilot x on x.id = a.pilot_id join queue q on q.id = x.queue_id
      where a.job_id = k.job_id and a.attempt = k.attempt offset 0) a on true
    order by k.at desc, k.job_id desc`)

export const troublesOfTask = (db: Db, taskId: number, limit: number) =>
  db.rows<KindRow & { id: number; attempts: number; firstAt: Date; lastAt: Date; jobId: number }>(sql`
    select t.id, t.cause, t.fingerprint, t.text, k.attempts, k.first_at as "firstAt", k.last_at as "lastAt", k.job_id as "jobId"
    from task_trouble k cross join lateral (select * from trouble where id = k.trouble_id offset 0) t
    where k.task_id = ${taskId} order by k.attempts desc, k.last_at desc limit ${limit}`)
