import type { JobState } from '../domain/job/states.ts'
import { type Db, sql } from './db.ts'

export const jobsOfExperiment = (db: Db, experimentId: number) =>
  db.rows<{ state: JobState; jobs: number }>(
    sql`select state, jobs from experiment_count where experiment_id = ${experimentId}`,
  )

export type EndsOfMinute = { at: Date; finished: number; failed: number }

export const endsByMinute = (db: Db, experimentId: number, from: Date) =>
  db.rows<EndsOfMinute>(sql`
    select at, coalesce(sum(jobs) filter (where ending = 'finished'), 0)::int as finished, coalesce(sum(jobs) filter (where ending = 'failed'), 0)::int as failed
    from usage_minute where experiment_id = ${experimentId} and at >= ${from} group by at`)

export type Part = 'active' | 'ended' | 'failing'

/** Which workflows are on the first page, of the newest thousand but for those under way. */
export const workflowsOfOverview = (db: Db, experimentId: number) =>
  db.rows<{ id: number; part: Part }>(sql`
    with recent as materialized (
      select id, state, ended_at from workflow where experiment_id = ${experimentId} order by id desc limit 1000)
    (select id, 'active' as part from workflow where experiment_id = ${experimentId} and ended_at is null order by id desc limit 20)
    union all
    (select id, 'ended' from recent where ended_at is not null order by id desc limit 8)
    union all
    (select r.id, 'failing' from recent r
     cross join lateral (select failed, tasks_failed from workflow_count where workflow_id = r.id offset 0) c
     where r.state = 'failed' or (r.ended_at is null and (c.failed > 0 or c.tasks_failed > 0)) order by r.id desc limit 8)`)
