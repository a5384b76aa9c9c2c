import { type Db, sql } from './db.ts'

export type SessionRow = { tokenHash: Buffer; seenAt: Date }

export const insertSession = (db: Db, s: { hash: Buffer; tokenHash: Buffer; now: Date }) =>
  db.run(
    sql`insert into session (hash, token_hash, created_at, seen_at) values (${s.hash}, ${s.tokenHash}, ${s.now}, ${s.now})`,
  )

/** The session, if it was used after `since`. */
export const sessionByHash = (db: Db, hash: Buffer, since: Date) =>
  db.row<SessionRow>(
    sql`select token_hash as "tokenHash", seen_at as "seenAt" from session where hash = ${hash} and seen_at > ${since}`,
  )

export const seeSession = (db: Db, hash: Buffer, now: Date) =>
  db.run(sql`update session set seen_at = ${now} where hash = ${hash} and seen_at < ${now}`)

/** 0 when there was none. */
export const deleteSession = (db: Db, hash: Buffer) => db.run(sql`delete from session where hash = ${hash}`)

export const forgetSessions = (db: Db, before: Date) => db.run(sql`delete from session where seen_at <= ${before}`)
