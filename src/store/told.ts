import { type Db, sql } from './db.ts'

type Attempt = { jobId: number; attempt: number }

export type MetricRow = Attempt & { name: string; step: number; value: number }
export type ProgressRow = Attempt & { done: number; total: number | null; text: string | null }

/** Losing the last instant of what was told in a crash of the database is acceptable, waiting for the disk at each word is not. */
export const neverWait = (db: Db) => db.run(sql`set local synchronous_commit = off`)

/** Which of these attempts the pilot may speak for: those that `insertLogs` takes output of. */
export const speaksFor = (db: Db, pilotId: number, attempts: Attempt[]) =>
  db.rows<Attempt>(sql`
    select u.job_id as "jobId", u.attempt from unnest(${attempts.map((a) => a.jobId)}::bigint[], ${attempts.map((a) => a.attempt)}::int[]) u(job_id, attempt)
    where exists (select from held h where h.job_id = u.job_id and h.attempt = u.attempt and h.pilot_id = ${pilotId})
       or exists (select from attempt a where a.job_id = u.job_id and a.attempt = u.attempt and a.pilot_id = ${pilotId}
                    and (a.ending <> 'lost' or exists (select from job j where j.id = u.job_id and j.attempt = u.attempt)))`)

/** Each (job, name, step, attempt) stands in the rows once. They are written in order of their key, so that two that come at once never wait for each other. */
export const upsertMetrics = (db: Db, rows: MetricRow[], now: Date) =>
  db.run(sql`
    insert into metric (job_id, attempt, name, step, value, at)
    select u.*, ${now} from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[], ${rows.map((r) => r.name)}::text[],
                                   ${rows.map((r) => r.step)}::bigint[], ${rows.map((r) => r.value)}::float8[]) u(job_id, attempt, name, step, value)
    order by job_id, name collate "C", step, attempt
    on conflict (job_id, name, step, attempt) do update set value = excluded.value, at = excluded.at`)

/** Each job stands in the rows once. What an earlier attempt says late does not count. */
export const upsertProgress = (db: Db, rows: ProgressRow[], now: Date) =>
  db.run(sql`
    insert into progress (job_id, attempt, done, total, text, at)
    select u.*, ${now} from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[], ${rows.map((r) => r.done)}::float8[],
                                   ${rows.map((r) => r.total)}::float8[], ${rows.map((r) => r.text)}::text[]) u(job_id, attempt, done, total, text)
    order by job_id
    on conflict (job_id) do update set attempt = excluded.attempt, done = excluded.done, total = excluded.total, text = excluded.text, at = excluded.at
    where progress.attempt <= excluded.attempt`)

/** `points`: JSON of them. */
export type CourseRow = Attempt & { points: string }

/** Each attempt stands in the rows once. When it was told first stays, so that only its points are written anew. */
export const upsertCourses = (db: Db, rows: CourseRow[], now: Date) =>
  db.run(sql`
    insert into course (job_id, attempt, points, at)
    select u.*, ${now} from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[], ${rows.map((r) => r.points)}::text[]) u(job_id, attempt, points)
    order by job_id, attempt
    on conflict (job_id, attempt) do update set points = excluded.points`)

export type MetricLineRow = { name: string; step: number; value: number; attempt: number; at: Date }

/** A place in the metrics of a job: everything up to it was read. */
export type MetricPlace = { name: string; step: number }

/** After every name. */
export const lastName = '\u{10ffff}'

/** In order of name and step, names up to `lastName`; of each step what the attempt said of it, or the last one that said anything. */
export const metricsAfter = (
  db: Db,
  m: { jobId: number; after: MetricPlace; lastName: string; attempt: number | null; limit: number },
) =>
  db.rows<MetricLineRow>(sql`
    select distinct on (name, step) name, step, value, attempt, at from metric
    where job_id = ${m.jobId} and (name, step) > (${m.after.name}::text, ${m.after.step}::bigint) and name <= ${m.lastName}::text
      and (${m.attempt}::int is null or attempt = ${m.attempt}::int)
    order by name, step, attempt desc limit ${m.limit}`)

export type LastMetricRow = {
  index: number
  jobId: number
  step: number | null
  value: number | null
  attempt: number | null
  at: Date | null
}

/** Of each job the last step of the metric. */
export const lastMetrics = (db: Db, m: { taskId: number; name: string; afterIndex: number; limit: number }) =>
  db.rows<LastMetricRow>(sql`
    select j.index, j.id as "jobId", m.step, m.value, m.attempt, m.at
    from job j left join lateral (
      select step, value, attempt, at from metric where job_id = j.id and name = ${m.name}::text order by step desc, attempt desc limit 1) m on true
    where j.task_id = ${m.taskId} and j.index > ${m.afterIndex} order by j.index limit ${m.limit}`)

export const progressOf = (db: Db, jobId: number) =>
  db.row<{ attempt: number; done: number; total: number | null; text: string | null; at: Date }>(sql`
    select attempt, done, total, text, at from progress where job_id = ${jobId}`)

/** Of the newest attempts, those first. */
export const coursesOf = (db: Db, jobId: number, limit: number) =>
  db.rows<{ attempt: number; points: string }>(sql`
    select attempt, points from course where job_id = ${jobId} order by attempt desc limit ${limit}`)

export const forgetCourses = (db: Db, before: Date) => db.run(sql`delete from course where at < ${before}`)
