import { type Db, sql } from './db.ts'

export type ReuseRow = { key: string; jobId: number; code: string; args: string; environment: string }

/** The stored results under these keys, of jobs of the same owner that have finished. */
export const storedResults = (db: Db, ownerId: number, keys: string[]) =>
  db.rows<{ key: string; jobId: number; value: string | null; blob: string | null; bytes: number | null }>(sql`
    select u.key, r.job_id as "jobId", x.value, x.value_blob as blob, x.value_bytes as bytes
    from unnest(${keys}::text[]) u(key)
    cross join lateral (select job_id from reuse where owner_id = ${ownerId} and key = u.key offset 0) r
    cross join lateral (select from job where id = r.job_id and state = 'finished' offset 0) j
    cross join lateral (select value, value_blob, value_bytes from result where job_id = r.job_id offset 0) x`)

/** These jobs will compute what is stored under their keys. */
export const noteForReuse = (db: Db, ownerId: number, work: string, rows: ReuseRow[]) =>
  db.run(sql`
    insert into reuse (owner_id, work, key, job_id, code, args, environment)
    select distinct on (key) ${ownerId}::int, ${work}::text, u.* from unnest(
      ${rows.map((r) => r.key)}::text[], ${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.code)}::text[],
      ${rows.map((r) => r.args)}::text[], ${rows.map((r) => r.environment)}::text[]) u(key, job_id, code, args, environment)
    order by key, job_id
    on conflict (owner_id, key) do update set job_id = excluded.job_id, work = excluded.work`)

export const reuseOfJob = (db: Db, jobId: number) =>
  db.row<ReuseRow & { ownerId: number; work: string }>(sql`
    select owner_id as "ownerId", work, key, job_id as "jobId", code, args, environment from reuse where job_id = ${jobId} limit 1`)

/** The jobs of the same work before this one, newest first. */
export const earlierOfWork = (db: Db, ownerId: number, work: string, before: number, limit: number) =>
  db.rows<ReuseRow>(sql`
    select key, job_id as "jobId", code, args, environment from reuse
    where owner_id = ${ownerId} and work = ${work} and job_id < ${before} order by job_id desc limit ${limit}`)
