import { type Db, sql } from './db.ts'

export type CheckpointRow = { jobId: number; attempt: number; blob: string; bytes: number; at: Date }

/** Keeps it if the attempt is held, which cannot end meanwhile; tells whether it was. */
export const insertCheckpoint = async (db: Db, c: CheckpointRow): Promise<boolean> => {
  const kept = await db.run(sql`
    with h as materialized (
      select job_id, attempt from held where job_id = ${c.jobId} and attempt = ${c.attempt} and member = 0 for key share)
    insert into checkpoint (job_id, attempt, blob, bytes, at) select job_id, attempt, ${c.blob}, ${c.bytes}::bigint, ${c.at} from h
    on conflict (job_id) do update set attempt = excluded.attempt, blob = excluded.blob, bytes = excluded.bytes, at = excluded.at`)
  return kept > 0
}

export const checkpointsOf = (db: Db, jobIds: number[]) =>
  db.rows<CheckpointRow>(sql`
    select job_id as "jobId", attempt, blob, bytes, at from checkpoint where job_id = any(${jobIds}::bigint[])`)
