import { type Db, sql } from './db.ts'

/** Notes that this process can hear pilots; 0 when it could not for `gapSeconds`, or never before: then nothing is noted. */
export const noteHearing = (db: Db, s: { id: string; now: Date; gapSeconds: number }) =>
  db.run(sql`
    update server set heard_until = ${s.now}
    where id = ${s.id} and heard_until > ${s.now}::timestamptz - ${s.gapSeconds}::float8 * interval '1 s'`)

/** One process at a time reckons how long nobody could hear. */
export const takeHearingLock = (db: Db) => db.run(sql`select pg_advisory_xact_lock(7288)`)

/** Until when this process could hear, and until when any could. A note from the future is of a time before the clock was set back: it says nothing. */
export const heardUntil = (db: Db, id: string, latest: Date) =>
  db.row<{ own: Date | null; any: Date | null }>(sql`
    select max(heard_until) filter (where id = ${id}) as own, max(heard_until) as any from server where heard_until < ${latest}`)

export const insertHearing = (db: Db, id: string, now: Date) =>
  db.run(sql`
    insert into server (id, heard_until) values (${id}, ${now})
    on conflict (id) do update set heard_until = excluded.heard_until`)

/** Whether any process can hear pilots now. */
export const isHearing = async (db: Db, since: Date, latest: Date): Promise<boolean> =>
  (await db.row(sql`select from server where heard_until > ${since} and heard_until < ${latest} limit 1`)) !== undefined

/** Time that was taken off for all is not to be taken off once more by a server that was away longer. */
export const forgiveServers = (db: Db, gapSeconds: number) =>
  db.run(sql`update server set heard_until = heard_until + ${gapSeconds}::float8 * interval '1 s'`)

export const forgetServers = (db: Db, before: Date) => db.run(sql`delete from server where heard_until < ${before}`)

/**
 * Takes so much time off the silence of all pilots, or only of those that one server heard last. Nobody is heard in the future by it, and no lease becomes longer
 * than a new one. A silent one is looked at at once: how long to wait for it was reckoned without knowing that the server would be back.
 */
export const forgivePilots = (
  db: Db,
  f: { serverId: string | null; gapSeconds: number; now: Date; leaseSeconds: number },
) =>
  db.run(sql`
    update pilot set
      silent_since = greatest(silent_since, least(silent_since + ${f.gapSeconds}::float8 * interval '1 s', ${f.now}::timestamptz)),
      lease_until = case
        when state = 'suspect' then least(lease_until, ${f.now}::timestamptz)
        else greatest(lease_until, least(lease_until + ${f.gapSeconds}::float8 * interval '1 s',
                                         ${f.now}::timestamptz + ${f.leaseSeconds}::float8 * interval '1 s')) end
    where state <> 'gone' and (${f.serverId}::text is null or server_id = ${f.serverId})`)
