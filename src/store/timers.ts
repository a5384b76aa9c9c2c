import { type Db, sql } from './db.ts'

/** `backOff`: a job may be claimed again. `callback`: the value of a job should have been posted. `driver`: the driver of a workflow should have been heard. */
export type TimerKind = 'backOff' | 'callback' | 'driver'

export type TimerRow = { kind: TimerKind; id: number; at: Date; why: string }

export const setTimers = (db: Db, rows: TimerRow[]) =>
  db.run(sql`
    insert into timer (kind, id, at, why)
    select * from unnest(${rows.map((r) => r.kind)}::text[], ${rows.map((r) => r.id)}::bigint[], ${rows.map((r) => r.at)}::timestamptz[], ${rows.map((r) => r.why)}::text[])
    on conflict (kind, id) do update set at = excluded.at, why = excluded.why`)

/** Due timers, each locked by the agent that looks at it. */
export const lockDueTimers = (db: Db, now: Date, limit: number) =>
  db.rows<TimerRow>(
    sql`select kind, id, at, why from timer where at <= ${now} order by at limit ${limit} for update skip locked`,
  )

/** One that an agent looks at just now is left to it: it locks timers before jobs and workflows, and others after them. */
export const dropTimers = (db: Db, kind: TimerKind, ids: number[]) =>
  db.run(sql`
    delete from timer where ctid = any(array(
      select ctid from timer where kind = ${kind} and id = any(${ids}::bigint[]) for update skip locked))`)

/** Puts timers of that kind off, to `latest` at most; none comes earlier by it. */
export const putOffTimers = (db: Db, kind: TimerKind, seconds: number, latest: Date) =>
  db.run(sql`
    update timer set at = greatest(at, least(at + ${seconds}::float8 * interval '1 s', ${latest}::timestamptz)) where kind = ${kind}`)

export const timerOf = (db: Db, kind: TimerKind, id: number) =>
  db.row<TimerRow>(sql`select kind, id, at, why from timer where kind = ${kind} and id = ${id}`)

export const nextTimerAt = async (db: Db): Promise<Date | null> =>
  (await db.row<{ at: Date | null }>(sql`select min(at) as at from timer`))?.at ?? null
