import { type Db, sql } from '../../src/store/db.ts'

/**
 * What must hold at any moment, whatever has happened: nothing active is unwatched, and the counters, with what is not yet folded, equal the rows. Gives what
 * is wrong, a line each.
 */
export const brokenInvariants = async (db: Db): Promise<string[]> => [
  ...(await unwatchedJobs(db)).map((job) => `j${job.id} is ${job.state} and nobody watches it`),
  ...(await wrongCounters(db)).map((c) => `t${c.taskId} counts ${c.counted} jobs ${c.state}, and has ${c.there}`),
  ...(await doubleHeld(db)).map((job) => `j${job.id} is held, and may be claimed as well`),
]

const unwatchedJobs = (db: Db) =>
  db.rows<{ id: number; state: string }>(sql`
    select j.id, j.state from job j
    where (j.state in ('sent', 'starting', 'running', 'awaiting') and not exists (select from held h where h.job_id = j.id and h.attempt = j.attempt))
       or (j.state = 'activated' and j.held_by is null and not exists (select from ready r where r.job_id = j.id))
       or (j.state = 'activated' and j.held_by = 'timer' and not exists (select from timer t where t.kind = 'backOff' and t.id = j.id))
       or (j.state = 'pending' and j.unmet <= 0)`)

const doubleHeld = (db: Db) =>
  db.rows<{ id: number }>(sql`
    select j.id from job j join held h on h.job_id = j.id join ready r on r.job_id = j.id join lane l on l.id = r.lane_id
    where l.purpose <> 'resume'`)

const wrongCounters = (db: Db) =>
  db.rows<{ taskId: number; state: string; counted: number; there: number }>(sql`
    with counted as (
      select task_id, key as state, sum(value::int) as n
      from (select to_jsonb(c) as c from task_count c union all select to_jsonb(d) from task_delta d) x,
           lateral (select (x.c ->> 'task_id')::bigint as task_id, e.key, e.value from jsonb_each_text(x.c) e where e.key <> 'task_id' and e.value is not null) e
      group by 1, 2),
    there as (select task_id, state, count(*) as n from job group by 1, 2)
    select coalesce(c.task_id, t.task_id) as "taskId", coalesce(c.state, t.state) as state, coalesce(c.n, 0)::int as counted, coalesce(t.n, 0)::int as there
    from counted c full join there t on t.task_id = c.task_id and t.state = c.state
    where coalesce(c.n, 0) <> coalesce(t.n, 0)`)
