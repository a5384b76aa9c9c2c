import { type Db, sql } from './db.ts'

export const blobBytes = async (db: Db, experimentId: number, hash: string): Promise<number | undefined> =>
  (
    await db.row<{ bytes: number }>(
      sql`select bytes from blob where experiment_id = ${experimentId} and hash = ${hash}`,
    )
  )?.bytes

export const knownBlobs = (db: Db, experimentId: number, hashes: string[]) =>
  db.rows<{ hash: string; bytes: number }>(
    sql`select hash, bytes from blob where experiment_id = ${experimentId} and hash = any(${hashes}::text[])`,
  )

export const insertBlob = (db: Db, b: { experimentId: number; hash: string; bytes: number; now: Date }) =>
  db.run(sql`
    insert into blob (experiment_id, hash, bytes, created_at) values (${b.experimentId}, ${b.hash}, ${b.bytes}, ${b.now}) on conflict do nothing`)

export const hasBundle = async (db: Db, experimentId: number, hash: string): Promise<boolean> =>
  (await db.row(sql`select from bundle where experiment_id = ${experimentId} and hash = ${hash}`)) !== undefined

export const insertBundle = (db: Db, b: { experimentId: number; hash: string; files: number; now: Date }) =>
  db.run(sql`
    insert into bundle (experiment_id, hash, files, created_at) values (${b.experimentId}, ${b.hash}, ${b.files}, ${b.now}) on conflict do nothing`)
