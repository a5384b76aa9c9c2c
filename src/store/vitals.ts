import { type Db, sql } from './db.ts'

/** What monitors ask of the database every few seconds. Each is bounded: counters, indexes and small tables, never a count of jobs. */

export const jobsByLane = (db: Db) =>
  db.rows<{ queues: string[]; share: string; state: string; jobs: number }>(sql`
    select array(select q.name from queue q where q.id = any(l.queue_ids) order by q.name) as queues, s.name as share, c.state, sum(c.jobs)::bigint as jobs
    from lane_count c join lane l on l.id = c.lane_id join share s on s.id = l.share_id
    group by l.queue_ids, s.name, c.state`)

export const pilotsByState = (db: Db) =>
  db.rows<{ queue: string; state: string; pilots: number; slots: number }>(sql`
    select q.name as queue, p.state, count(*)::int as pilots, sum(p.slots)::int as slots from pilot p join queue q on q.id = p.queue_id group by q.name, p.state`)

/** The transaction that the history cannot be read past; `behind`: how many have begun since. Other databases of the cluster do not matter to it. */
export const oldestTransaction = async (db: Db): Promise<{ seconds: number; behind: number }> =>
  (await db.row<{ seconds: number; behind: number }>(sql`
    select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 as seconds,
           (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - pg_snapshot_xmin(pg_current_snapshot())::text::bigint) as behind
    from pg_stat_activity where datname = current_database() and backend_xid is not null`))!

/** Up to `most` of them. */
export const unfoldedDeltas = async (db: Db, most: number): Promise<number> =>
  (await db.row<{ n: number }>(sql`select count(*)::int as n from (select from task_delta limit ${most}) d`))!.n
