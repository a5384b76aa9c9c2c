import { type Db, sql } from './db.ts'

/** One adds up at a time, in its transaction. False when another one does. */
export const takeUsageLock = async (db: Db): Promise<boolean> =>
  (await db.row<{ got: boolean }>(sql`select pg_try_advisory_xact_lock(7288) as got`))!.got

/**
 * Takes up to `limit` appended deltas and adds them to the minutes, hours and days in which they were: the same transaction does both, so each counts once. Labels are those that the task
 * has then. How many it took.
 */
export const foldUsageDeltas = async (db: Db, limit: number): Promise<number> =>
  (
    await db.rows<{ deltas: number }>(sql`
    with gone as materialized (
      delete from usage_delta where ctid = any(array(select ctid from usage_delta limit ${limit} for update skip locked)) returning *),
    s as materialized (
      select date_trunc('minute', g.at) as at, g.task_id, g.pilot_id, g.ending, coalesce(g.cause, '') as cause,
             sum(g.attempts) as attempts, sum(g.jobs) as jobs, sum(g.wall_seconds) as wall_seconds, sum(g.cpu_seconds) as cpu_seconds
      from gone g group by 1, 2, 3, 4, 5),
    f as materialized (
      select s.at, t.experiment_id, t.owner_id, coalesce(p.queue_id, 0) as queue_id, t.labels, t.digest, s.ending, s.cause,
             sum(s.attempts) as attempts, sum(s.jobs) as jobs, sum(s.wall_seconds) as wall_seconds, sum(s.cpu_seconds) as cpu_seconds
      from s
      cross join lateral (
        select experiment_id, owner_id, labels, sha256(convert_to(labels::text, 'UTF8')) as digest from task where id = s.task_id offset 0) t
      left join lateral (select queue_id from pilot where id = s.pilot_id offset 0) p on true
      group by 1, 2, 3, 4, 5, 6, 7, 8),
    new as (
      insert into label_set (labels, digest) select distinct labels, digest from f
      where not exists (select from label_set where digest = f.digest)
      returning id, digest),
    u as materialized (
      select f.*, coalesce((select id from label_set where digest = f.digest), (select id from new where digest = f.digest)) as label_set_id from f),
    m as (
      insert into usage_minute as m (experiment_id, at, owner_id, queue_id, label_set_id, ending, cause, attempts, jobs, wall_seconds, cpu_seconds)
      select experiment_id, at, owner_id, queue_id, label_set_id, ending, cause, attempts, jobs, wall_seconds, cpu_seconds from u
      on conflict (experiment_id, at, owner_id, queue_id, label_set_id, ending, cause) do update set
        attempts = m.attempts + excluded.attempts, jobs = m.jobs + excluded.jobs,
        wall_seconds = m.wall_seconds + excluded.wall_seconds, cpu_seconds = m.cpu_seconds + excluded.cpu_seconds),
    b as materialized (
      select u.experiment_id, b.by, date_trunc('hour', u.at, 'UTC') as at, b.ref, b.word, sum(u.attempts) as attempts, sum(u.jobs) as jobs,
             coalesce(sum(u.jobs) filter (where u.ending = 'finished'), 0) as finished, coalesce(sum(u.jobs) filter (where u.ending = 'failed'), 0) as failed,
             coalesce(sum(u.jobs) filter (where u.ending = 'cancelled'), 0) as cancelled, sum(u.wall_seconds) as wall_seconds, sum(u.cpu_seconds) as cpu_seconds
      from u
      cross join lateral (
        values ('user', owner_id, ''), ('queue', queue_id, ''), ('label', label_set_id, ''), ('ending', 0, ending), ('cause', 0, cause)) b(by, ref, word)
      group by 1, 2, 3, 4, 5),
    h as (
      insert into usage_by_hour as h (experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds)
      select experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds from b
      on conflict (experiment_id, by, at, ref, word) do update set
        attempts = h.attempts + excluded.attempts, jobs = h.jobs + excluded.jobs, finished = h.finished + excluded.finished, failed = h.failed + excluded.failed,
        cancelled = h.cancelled + excluded.cancelled, wall_seconds = h.wall_seconds + excluded.wall_seconds, cpu_seconds = h.cpu_seconds + excluded.cpu_seconds),
    d as (
      insert into usage_by_day as d (experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds)
      select experiment_id, by, date_trunc('day', at, 'UTC'), ref, word, sum(attempts), sum(jobs), sum(finished), sum(failed), sum(cancelled), sum(wall_seconds), sum(cpu_seconds)
      from b group by 1, 2, 3, 4, 5
      on conflict (experiment_id, by, at, ref, word) do update set
        attempts = d.attempts + excluded.attempts, jobs = d.jobs + excluded.jobs, finished = d.finished + excluded.finished, failed = d.failed + excluded.failed,
        cancelled = d.cancelled + excluded.cancelled, wall_seconds = d.wall_seconds + excluded.wall_seconds, cpu_seconds = d.cpu_seconds + excluded.cpu_seconds)
    select count(*)::int as deltas from gone`)
  )[0]?.deltas ?? 0

export const forgetUsageMinutes = (db: Db, before: Date) => db.run(sql`delete from usage_minute where at < ${before}`)

export type UsageBy = 'site' | 'queue' | 'user' | 'label' | 'ending' | 'cause'
export type UsageStep = 'none' | 'hour' | 'day'

/** `place`: 1 for the group with most wall time; 0 for all that are not among the first `groups` together. `at` is null without a step. */
export type UsageRow = {
  place: number
  name: string | null
  at: Date | null
  attempts: number
  finished: number
  failed: number
  cancelled: number
  wallSeconds: number
  cpuSeconds: number
}

/**
 * What was used in these hours or days, by groups and steps (days are those of UTC), in order of place and time. Names and places are found for each number once, and looked up by its steps
 * in an object: joins would be by nested loops, and to sort all steps by name takes half a second for a fortnight by the hour (bench/, `pages`). Floats, which are exact for such counts, since
 * sums of `bigint` are of `numeric`, and take three times as long.
 */
export const usageRows = (
  db: Db,
  f: {
    experimentId: number
    from: Date
    to: Date
    /** Which of the sums are read; `from` and `to` are whole ones. */
    unit: 'hour' | 'day'
    by: UsageBy
    label: string
    step: UsageStep
    groups: number
    limit: number
  },
) => {
  // A site's is that of its queues.
  const kept = f.by === 'site' ? 'queue' : f.by
  return db.rows<UsageRow>(sql`
    with u as materialized (
      select ref, word, case when word = '' then ref::text else word end as key, case when ${f.step}::text <> 'none' then date_trunc(${f.step}::text, at, 'UTC') end as at,
             attempts, finished, failed, cancelled, wall_seconds, cpu_seconds
      from usage_by_hour
      where ${f.unit}::text = 'hour' and experiment_id = ${f.experimentId} and by = ${kept}::text and at >= ${f.from} and at < ${f.to}
      union all
      select ref, word, case when word = '' then ref::text else word end, case when ${f.step}::text <> 'none' then date_trunc(${f.step}::text, at, 'UTC') end,
             attempts, finished, failed, cancelled, wall_seconds, cpu_seconds
      from usage_by_day
      where ${f.unit}::text = 'day' and experiment_id = ${f.experimentId} and by = ${kept}::text and at >= ${f.from} and at < ${f.to}),
    named as (
      select key, wall,
             case ${f.by}::text
               when 'user' then (select name from person where id = ref)
               when 'queue' then (select name from queue where id = ref)
               when 'site' then (select s.name from queue q join site s on s.id = q.site_id where q.id = ref)
               when 'label' then (select labels ->> ${f.label}::text from label_set where id = ref)
               else nullif(word, '') end collate "C" as name
      from (select ref, word, key, sum(wall_seconds) as wall from u group by 1, 2, 3) x),
    weighed as (select *, sum(wall) over (partition by name) as weight from named),
    placed as (select *, dense_rank() over (order by weight desc, name) as place from weighed),
    known as materialized (
      select jsonb_object_agg(key, place) as places, jsonb_object_agg(place, name) as names from placed where place <= ${f.groups}::int),
    added as (
      select coalesce((places ->> key)::int, 0) as place, at, sum(attempts::float8) as attempts, sum(finished::float8) as finished, sum(failed::float8) as failed,
             sum(cancelled::float8) as cancelled, sum(wall_seconds) as wall, sum(cpu_seconds) as cpu
      from u cross join known group by 1, 2 order by 1, 2 limit ${f.limit})
    select place, names ->> place::text as name, at, attempts::bigint, finished::bigint, failed::bigint, cancelled::bigint, wall as "wallSeconds", cpu as "cpuSeconds"
    from added cross join known order by place, at`)
}
