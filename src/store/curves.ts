import type { JobState } from '../domain/job/states.ts'
import { type Db, sql } from './db.ts'

export type CurvePoint = { at: Date } & Record<JobState, number>

type Moment = { taskId: number; isLast: boolean } & Record<JobState, number>

/** Keeps where these tasks stand now, of each no sooner than its pace says, or if it is its last. Gives those that have `most` points by now. */
export const addCurvePoints = (
  db: Db,
  rows: Moment[],
  { firstSeconds, most, now }: { firstSeconds: number; most: number; now: Date },
) =>
  db.rows<{ taskId: number }>(sql`
    with due as materialized (
      select i.* from unnest(
        ${rows.map((r) => r.taskId)}::bigint[], ${rows.map((r) => r.isLast)}::bool[], ${rows.map((r) => r.pending)}::int[], ${rows.map((r) => r.activated)}::int[],
        ${rows.map((r) => r.sent)}::int[], ${rows.map((r) => r.starting)}::int[], ${rows.map((r) => r.running)}::int[], ${rows.map((r) => r.awaiting)}::int[],
        ${rows.map((r) => r.holding)}::int[], ${rows.map((r) => r.transferring)}::int[], ${rows.map((r) => r.merging)}::int[], ${rows.map((r) => r.finished)}::int[],
        ${rows.map((r) => r.failed)}::int[], ${rows.map((r) => r.cancelled)}::int[], ${rows.map((r) => r.closed)}::int[])
        i(task_id, is_last, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed)
      left join lateral (select next_at from curve_pace where task_id = i.task_id offset 0) p on true
      where i.is_last or p.next_at is null or p.next_at <= ${now}),
    p as (
      insert into task_curve (task_id, at, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed)
      select task_id, ${now}, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed from due
      on conflict do nothing),
    k as (
      insert into curve_pace as c (task_id, points, seconds, next_at)
      select task_id, 1, ${firstSeconds}::float8, ${now}::timestamptz + ${firstSeconds}::float8 * interval '1 second' from due
      on conflict (task_id) do update set points = c.points + 1, next_at = ${now}::timestamptz + c.seconds * interval '1 second'
      returning task_id, points)
    select task_id as "taskId" from k where points >= ${most}`)

/** Drops every second point of these tasks, neither the first nor the newest, and lets them come half as often. */
export const thinCurves = (db: Db, taskIds: number[]) =>
  db.run(sql`
    with n as materialized (
      select task_id, at, row_number() over (partition by task_id order by at) as n, count(*) over (partition by task_id) as points
      from unnest(${taskIds}::bigint[]) i(id) cross join lateral (select task_id, at from task_curve where task_id = i.id offset 0) c),
    d as (
      delete from task_curve c using n
      where c.task_id = n.task_id and c.at = n.at and n.n > 1 and (n.points - n.n) % 2 = 1 returning c.task_id)
    update curve_pace k set points = k.points - g.gone, seconds = 2 * k.seconds
    from (select task_id, count(*)::int as gone from d group by 1) g where k.task_id = g.task_id`)

export const curveOf = (db: Db, taskId: number) =>
  db.rows<CurvePoint>(sql`
    select at, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed
    from task_curve where task_id = ${taskId} order by at`)
