import { type Db, sql } from './db.ts'

export type LogRow = { jobId: number; attempt: number; stream: 'stdout' | 'stderr'; start: number; body: Buffer }

/**
 * Appends what jobs printed, from those attempts that the pilot holds or has ended itself (its last words come after its report), and from one that was given up as lost until another
 * was sent. A repeated part is known by its place. Losing the last instant of a log in a crash of the database is acceptable, waiting for the disk at each line is not.
 */
export const insertLogs = async (db: Db, pilotId: number, rows: LogRow[]): Promise<number> => {
  await db.run(sql`set local synchronous_commit = off`)
  return db.run(sql`
    insert into log (job_id, attempt, stream, start, body)
    select u.* from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.attempt)}::int[], ${rows.map((r) => r.stream)}::text[],
                           ${rows.map((r) => r.start)}::bigint[], ${rows.map((r) => r.body)}::bytea[]) u(job_id, attempt, stream, start, body)
    where exists (select from held h where h.job_id = u.job_id and h.attempt = u.attempt and h.pilot_id = ${pilotId})
       or exists (select from attempt a where a.job_id = u.job_id and a.attempt = u.attempt and a.pilot_id = ${pilotId}
                    and (a.ending <> 'lost' or exists (select from job j where j.id = u.job_id and j.attempt = u.attempt)))
       or exists (select from deferred d where d.job_id = u.job_id and d.attempt = u.attempt and d.pilot_id = ${pilotId})
    on conflict do nothing`)
}

type StoredLogRow = Omit<LogRow, 'jobId'> & { seq: number }

export const logAfter = (db: Db, jobId: number, attempt: number | null, seq: number, limit: number) =>
  db.rows<StoredLogRow>(sql`
    select seq, attempt, stream, start, body from log
    where job_id = ${jobId} and seq > ${seq} and (${attempt}::int is null or attempt = ${attempt}::int) order by seq limit ${limit}`)

export const lastOfLog = (db: Db, jobId: number, attempt: number | null, limit: number) =>
  db.rows<StoredLogRow>(sql`
    select * from (
      select seq, attempt, stream, start, body from log
      where job_id = ${jobId} and (${attempt}::int is null or attempt = ${attempt}::int) order by seq desc limit ${limit}) l
    order by seq`)
