import { type Db, sql } from './db.ts'

/** What an attempt was at its pilot, and how long its value may take. */
export type DeferredRow = {
  jobId: number
  attempt: number
  pilotId: number
  sentAt: Date
  startedAt: Date | null
  endedAt: Date
  wallSeconds: number | null
  cpuSeconds: number | null
  maxRssMb: number | null
  until: Date
}

export const insertDeferred = (db: Db, d: DeferredRow) =>
  db.run(sql`
    insert into deferred (job_id, attempt, pilot_id, sent_at, started_at, ended_at, wall_seconds, cpu_seconds, max_rss_mb, until)
    values (${d.jobId}, ${d.attempt}, ${d.pilotId}, ${d.sentAt}, ${d.startedAt}, ${d.endedAt}, ${d.wallSeconds}, ${d.cpuSeconds}, ${d.maxRssMb}, ${d.until})`)

export const deferredOf = (db: Db, jobIds: number[]) =>
  db.rows<DeferredRow>(sql`
    select job_id as "jobId", attempt, pilot_id as "pilotId", sent_at as "sentAt", started_at as "startedAt", ended_at as "endedAt",
           wall_seconds as "wallSeconds", cpu_seconds as "cpuSeconds", max_rss_mb as "maxRssMb", until
    from deferred where job_id = any(${jobIds}::bigint[])`)

export const dropDeferred = (db: Db, jobIds: number[]) =>
  db.run(sql`delete from deferred where job_id = any(${jobIds}::bigint[])`)

/** What was posted for an attempt: the JSON text of its value, or of what went wrong. */
export type Posted = { value: string | null; error: string | null; at: Date }

export const insertPosted = (
  db: Db,
  p: Posted & {
    jobId: number
    attempt: number
    expiresAt: Date
  },
) =>
  db.run(sql`
    insert into callback (job_id, attempt, value, error, at, expires_at)
    values (${p.jobId}, ${p.attempt}, ${p.value}, ${p.error}, ${p.at}, ${p.expiresAt})`)

export const postedFor = (db: Db, jobId: number, attempt: number) =>
  db.row<Posted>(sql`select value, error, at from callback where job_id = ${jobId} and attempt = ${attempt}`)

/** Whose addresses were over before that time. What an attempt that is still under way may need stays. */
export const forgetPosted = (db: Db, before: Date, ends: string[]) =>
  db.run(sql`
    delete from callback c where c.expires_at < ${before} and not exists (
      select from job j where j.id = c.job_id and j.attempt = c.attempt and not j.state = any(${ends}::text[]))`)
