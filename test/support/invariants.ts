import { type Db, sql } from '../../src/store/db.ts'

/**
 * What must hold at any moment, whatever has happened. Nothing active is unwatched: there is a row by which some agent, lease, lane or fold will come to it. What ended has its result
 * and its attempts, each once; the counters, with what is not yet folded, equal the rows. Gives what is wrong, a line each. Each question is one statement, so
 * that it sees one moment also while agents are at work.
 */
export const brokenInvariants = async (db: Db): Promise<string[]> => [
  ...(await unwatchedJobs(db)).map((job) => `j${job.id} is ${job.state} and nobody watches it`),
  ...(await unheldJobs(db)).map((job) => `j${job.id} may be claimed, though its task is paused`),
  ...(await misplacedJobs(db)).map((job) => `j${job.id} lies where another priority puts it`),
  ...(await unpausedTasks(db)).map((task) => `t${task.id} is ${task.state}, though its workflow is held`),
  ...(await wrongUnmet(db)).map((job) => `j${job.id} says that it waits for ${job.unmet}, and waits for ${job.waits}`),
  ...(await strayHeld(db)).map((h) => `j${h.id} is held by p${h.pilotId}, ${h.why}`),
  ...(await strayDeferred(db)).map((d) => `j${d.id} waits for a callback as attempt ${d.attempt}, ${d.why}`),
  ...(await wrongLaneCounts(db)).map((c) => `lane ${c.laneId} counts ${c.counted} jobs ${c.state}, and has ${c.there}`),
  ...(await wrongExperimentCounts(db)).map(
    (c) => `experiment ${c.experimentId} counts ${c.counted} jobs ${c.state}, and has ${c.there}`,
  ),
  ...(await wrongUsage(db)).map(
    (u) => `usage counts ${u.counted} ${u.what} that ended ${u.ending}, and there are ${u.there}`,
  ),
  ...(await idleTimers(db)).map((job) => `j${job.id} has a timer (${job.kind}), and is ${job.state}`),
  ...(await doubleHeld(db)).map((job) => `j${job.id} is held, and may be claimed as well`),
  ...(await wrongResults(db)).map((job) => `j${job.id} is ${job.state}, and ${job.why}`),
  ...(await wrongAttempts(db)).map((job) => `j${job.id} is at attempt ${job.attempt}, and ${job.ended} have ended`),
  ...(await unwatchedTasks(db)).map((task) => `t${task.id} is ${task.state}, and nobody watches it`),
  ...(await endedTooSoon(db)).map((task) => `t${task.id} is ${task.state}, and a job of it is ${task.job}`),
  ...(await unwatchedWorkflows(db)).map((w) => `w${w.id} is ${w.state}, and nobody watches it`),
  ...(await wrongCounters(db)).map((c) => `t${c.taskId} counts ${c.counted} jobs ${c.state}, and has ${c.there}`),
  ...(await wrongSums(db)).map((w) => `w${w.id} counts other jobs than its tasks do`),
]

/**
 * Each active state has its watcher: a parent that has not ended, or whose end it is still to be told, a lane, a timer, or a pilot with a lease. Outputs that are moved or merged have none yet, so no job may
 * be there.
 */
const unwatchedJobs = (db: Db) =>
  db.rows<{ id: number; state: string }>(sql`
    select j.id, j.state from job j join task t on t.id = j.task_id
    left join held h on h.job_id = j.id and h.member = 0 and h.attempt = j.attempt
    left join pilot p on p.id = h.pilot_id and p.state <> 'gone'
    where (j.state in ('sent', 'starting', 'running', 'awaiting') and p.id is null)
       or (j.state = 'activated' and h.job_id is not null and not exists (
             select from ready r join lane l on l.id = r.lane_id where r.job_id = j.id and l.purpose = 'resume' and l.pilot_id = p.id))
       or (j.state = 'activated' and h.job_id is null and j.held_by is null and not exists (
             select from ready r where r.job_id = j.id and r.lane_id = j.lane_id))
       or (j.state = 'activated' and j.held_by = 'timer' and not exists (select from timer m where m.kind = 'backOff' and m.id = j.id))
       or (j.state = 'activated' and j.held_by = 'pause' and t.state <> 'paused' and not exists (select from sweep s where s.task_id = t.id))
       or (j.state = 'activated' and j.held_by = 'limit' and t.state <> 'throttled')
       or (j.state = 'holding' and not exists (
             select from timer m join deferred d on d.job_id = m.id and d.attempt = j.attempt and d.until = m.at where m.kind = 'callback' and m.id = j.id))
       or j.state in ('transferring', 'merging')
       or (j.state = 'pending' and not exists (
             select from edge e join job a on a.id = e.parent_id
             where e.child_id = j.id and a.state not in ('finished', 'failed', 'cancelled', 'closed'))
           and not exists (
             select from task_edge e join task a on a.id = e.parent_id
             where e.child_id = t.id and not e.released and a.state not in ('done', 'finished', 'failed', 'exhausted', 'broken', 'aborted'))
           and not exists (
             select from sweep s where s.task_id = t.id and s.what in ('release', 'orphans') and j.index > s.after and j.index <= s.until)
           and not exists (
             select from edge e join family f on f.parent_id = e.parent_id join job a on a.id = f.parent_id
             where e.child_id = j.id and j.id > f.after and j.id <= f.until
               and (f.what = 'release' and a.state = 'finished' or f.what = 'orphans' and a.state in ('failed', 'cancelled'))))`)

/** What waits of a paused task is held, once it was gone through. */
const unheldJobs = (db: Db) =>
  db.rows<{ id: number }>(sql`
    select j.id from task t join job j on j.task_id = t.id join ready r on r.job_id = j.id join lane l on l.id = r.lane_id
    where t.state = 'paused' and j.state = 'activated' and l.purpose <> 'resume' and not exists (select from sweep s where s.task_id = t.id)`)

/** A job that may be claimed lies at one place, once it was gone through. */
const misplacedJobs = (db: Db) =>
  db.rows<{ id: number }>(sql`
    select j.id from ready r join job j on j.id = r.job_id join task t on t.id = j.task_id join lane l on l.id = r.lane_id
    where l.purpose <> 'resume' and j.state = 'activated' and r.rank <> ((8000 - t.priority)::bigint << 40) | j.id
      and not exists (select from sweep s where s.task_id = t.id)`)

const unpausedTasks = (db: Db) =>
  db.rows<{ id: number; state: string }>(sql`
    select t.id, t.state from workflow w join task t on t.workflow_id = w.id
    where w.held and t.state in ('ready', 'pending', 'running') and not exists (select from sweep s where s.workflow_id = w.id)
      and not exists (select from task_delta d where d.task_id = t.id)`)

/**
 * A pending job counts its parents that are not released, or have not come to it yet, and one more while its task waits for others, or is released and has not come to it
 * yet.
 */
const wrongUnmet = (db: Db) =>
  db.rows<{ id: number; unmet: number; waits: number }>(sql`
    select * from (
      select j.id, j.unmet, (select count(*)::int from edge e join job a on a.id = e.parent_id where e.child_id = j.id and (not a.released or exists (
                                 select from family f where f.parent_id = a.id and f.what = 'release' and j.id > f.after and j.id <= f.until)))
                            + (t.unmet > 0 or exists (
                                 select from sweep s where s.task_id = t.id and s.what = 'release' and j.index > s.after and j.index <= s.until))::int as waits
      from job j join task t on t.id = j.task_id where j.state = 'pending') x
    where unmet <> waits`)

const strayHeld = (db: Db) =>
  db.rows<{ id: number; pilotId: number; why: string }>(sql`
    select h.job_id as id, h.pilot_id as "pilotId",
      case when j.id is null then 'and there is no such job' when h.attempt <> j.attempt then 'as attempt ' || h.attempt || ' of ' || j.attempt
           when p.state = 'gone' then 'which is gone' else 'though it is ' || j.state end as why
    from held h left join job j on j.id = h.job_id left join pilot p on p.id = h.pilot_id
    where j.id is null or h.attempt <> j.attempt or p.state = 'gone' or j.state not in ('activated', 'sent', 'starting', 'running', 'awaiting')`)

/** Who waits for a callback has left his pilot, and has not ended. */
const strayDeferred = (db: Db) =>
  db.rows<{ id: number; attempt: number; why: string }>(sql`
    select d.job_id as id, d.attempt,
      case when j.id is null then 'and there is no such job' when d.attempt <> j.attempt then 'of ' || j.attempt
           when h.job_id is not null then 'and is held' else 'though it is ' || j.state end as why
    from deferred d left join job j on j.id = d.job_id left join held h on h.job_id = d.job_id
    where j.id is null or d.attempt <> j.attempt or h.job_id is not null or j.state <> 'holding'`)

/** Who is to be woken sleeps, and whose callback is watched waits for it. */
const idleTimers = (db: Db) =>
  db.rows<{ id: number; kind: string; state: string }>(sql`
    select t.id, t.kind, coalesce(j.state, 'not there') as state from timer t left join job j on j.id = t.id
    where t.kind = 'backOff' and (j.id is null or j.state <> 'activated' or j.held_by is distinct from 'timer')
       or t.kind = 'callback' and j.state is distinct from 'holding'`)

/** A row in `ready` that no claim would take, since its job is no longer activated, waits there to be dropped. */
const doubleHeld = (db: Db) =>
  db.rows<{ id: number }>(sql`
    select j.id from job j join held h on h.job_id = j.id join ready r on r.job_id = j.id join lane l on l.id = r.lane_id
    where l.purpose <> 'resume' and j.state = 'activated'`)

/** A result is registered with the end of its job; what finished has no cause, and its children are told. */
const wrongResults = (db: Db) =>
  db.rows<{ id: number; state: string; why: string }>(sql`
    select j.id, j.state,
      case when r.job_id is null then 'has no result' when j.released <> (j.state = 'finished') then 'released is ' || j.released
           else 'its cause is ' || coalesce(r.cause, 'none') end as why
    from job j left join result r on r.job_id = j.id
    where (j.state in ('finished', 'failed', 'cancelled') and (r.job_id is null or (j.state = 'finished') <> (r.cause is null)))
       or j.released <> (j.state = 'finished')`)

/** Attempts are numbered without gaps and each has ended once, but for the one that is held or waits for its callback; one that finished is the last. */
const wrongAttempts = (db: Db) =>
  db.rows<{ id: number; attempt: number; ended: number }>(sql`
    select j.id, j.attempt, a.ended from job j
    cross join lateral (
      select count(*)::int as ended, count(*) filter (where ending = 'finished')::int as finished, coalesce(max(attempt), 0) as last,
             coalesce(max(attempt) filter (where ending = 'finished'), 0) as won
      from attempt where job_id = j.id) a
    where a.ended + (select count(*) from held h where h.job_id = j.id and h.member = 0)
                  + (select count(*) from deferred d where d.job_id = j.id) <> j.attempt or a.last > j.attempt or a.finished > 1
       or (j.state = 'finished') <> (a.finished = 1 or j.attempt = 0 and exists (select from history h where h.noun = 'job' and h.id = j.id and h.trigger = 'reused'))
       or (j.state = 'finished' and a.won <> j.attempt)`)

/**
 * A task lives by its jobs, by tasks that it waits for, by a fold that is to come, or by whoever may still add to it. With none of these left it should have ended.
 */
const unwatchedTasks = (db: Db) =>
  db.rows<{ id: number; state: string }>(sql`
    select t.id, t.state from task t join workflow w on w.id = t.workflow_id
    where t.state not in ('done', 'finished', 'failed', 'exhausted', 'broken', 'aborted')
      and not exists (select from job j where j.task_id = t.id and j.state not in ('finished', 'failed', 'cancelled', 'closed'))
      and not exists (select from task_delta d where d.task_id = t.id) and not exists (select from retry r where r.task_id = t.id)
      and (t.closed or w.state in ('done', 'finished', 'failed', 'cancelled', 'expired') or t.state in ('aborting', 'finishing'))
    union all
    select t.id, 'waiting for ' || t.unmet || ' tasks' from task t
    where t.state = 'pending' and t.unmet <> (select count(*) from task_edge e where e.child_id = t.id and not e.released)`)

const endedTooSoon = (db: Db) =>
  db.rows<{ id: number; state: string; job: string }>(sql`
    select distinct t.id, t.state, j.state as job from task t join job j on j.task_id = t.id
    where t.state in ('done', 'finished', 'failed', 'aborted') and j.state not in ('finished', 'failed', 'cancelled', 'closed')
       or t.state = 'done' and j.state <> 'finished'`)

/** A workflow lives by its driver, whose timer is set, by the job that its function is, or by tasks that are there or may come. */
const unwatchedWorkflows = (db: Db) =>
  db.rows<{ id: number; state: string }>(sql`
    select w.id, w.state from workflow w
    where (w.state = 'running' and w.kind in ('function', 'session') and not exists (select from timer t where t.kind = 'driver' and t.id = w.id))
       or (w.state in ('registered', 'running') and (w.kind = 'tasks' and w.closed or w.kind = 'job')
           and not exists (select from task t where t.workflow_id = w.id and t.ended_at is null)
           and not exists (select from task t join task_delta d on d.task_id = t.id where t.workflow_id = w.id)
           and not exists (select from retry r where r.workflow_id = w.id))`)

const wrongCounters = (db: Db) =>
  db.rows<{ taskId: number; state: string; counted: number; there: number }>(sql`
    with counted as (
      select task_id, key as state, sum(value::int) as n
      from (select to_jsonb(c) as c from task_count c union all select to_jsonb(d) from task_delta d) x,
           lateral (select (x.c ->> 'task_id')::bigint as task_id, e.key, e.value from jsonb_each_text(x.c) e where e.key not in ('task_id', 'came_back', 'reopened') and e.value is not null) e
      group by 1, 2),
    there as (select task_id, state, count(*) as n from job group by 1, 2)
    select coalesce(c.task_id, t.task_id) as "taskId", coalesce(c.state, t.state) as state, coalesce(c.n, 0)::int as counted, coalesce(t.n, 0)::int as there
    from counted c full join there t on t.task_id = c.task_id and t.state = c.state
    where coalesce(c.n, 0) <> coalesce(t.n, 0)`)

/** What is folded into tasks is folded into their workflow, in the same transaction. */
const wrongSums = (db: Db) =>
  db.rows<{ id: number }>(sql`
    select w.workflow_id as id from workflow_count w
    cross join lateral (
      select coalesce(sum(pending), 0) pending, coalesce(sum(activated), 0) activated, coalesce(sum(sent), 0) sent, coalesce(sum(starting), 0) starting,
             coalesce(sum(running), 0) running, coalesce(sum(awaiting), 0) awaiting, coalesce(sum(finished), 0) finished, coalesce(sum(failed), 0) failed,
             coalesce(sum(cancelled), 0) cancelled
      from task t join task_count c on c.task_id = t.id where t.workflow_id = w.workflow_id) s
    where (w.pending, w.activated, w.sent, w.starting, w.running, w.awaiting, w.finished, w.failed, w.cancelled)
       is distinct from (s.pending, s.activated, s.sent, s.starting, s.running, s.awaiting, s.finished, s.failed, s.cancelled)`)

const wrongLaneCounts = (db: Db) =>
  db.rows<{ laneId: number; state: string; counted: number; there: number }>(sql`
    with parts as (
      select lane_id, state, jobs as n from lane_count
      union all
      select t.lane_id, e.key, e.value::int
      from task_delta d join task t on t.id = d.task_id, lateral jsonb_each_text(to_jsonb(d)) e where e.key not in ('task_id', 'came_back', 'reopened') and e.value is not null),
    counted as (select lane_id, state, sum(n) as n from parts group by 1, 2),
    there as (select t.lane_id, j.state, count(*) as n from job j join task t on t.id = j.task_id group by 1, 2)
    select coalesce(c.lane_id, t.lane_id) as "laneId", coalesce(c.state, t.state) as state, coalesce(c.n, 0)::int as counted, coalesce(t.n, 0)::int as there
    from counted c full join there t on t.lane_id = c.lane_id and t.state = c.state
    where coalesce(c.n, 0) <> coalesce(t.n, 0)`)

const wrongExperimentCounts = (db: Db) =>
  db.rows<{ experimentId: number; state: string; counted: number; there: number }>(sql`
    with parts as (
      select experiment_id, state, jobs as n from experiment_count
      union all
      select t.experiment_id, e.key, e.value::int
      from task_delta d join task t on t.id = d.task_id, lateral jsonb_each_text(to_jsonb(d)) e where e.key not in ('task_id', 'came_back', 'reopened') and e.value is not null),
    counted as (select experiment_id, state, sum(n) as n from parts group by 1, 2),
    there as (select t.experiment_id, j.state, count(*) as n from job j join task t on t.id = j.task_id group by 1, 2)
    select coalesce(c.experiment_id, t.experiment_id) as "experimentId", coalesce(c.state, t.state) as state, coalesce(c.n, 0)::int as counted, coalesce(t.n, 0)::int as there
    from counted c full join there t on t.experiment_id = c.experiment_id and t.state = c.state
    where coalesce(c.n, 0) <> coalesce(t.n, 0)`)

/** What ended is counted once, whoever ended it: attempts, and jobs for good. */
const wrongUsage = (db: Db) =>
  db.rows<{ what: string; ending: string; counted: number; there: number }>(sql`
    with parts as (
      select ending, attempts, jobs from usage_delta union all select word, attempts, jobs from usage_by_hour where by = 'ending'),
    counted as (
      select 'attempts' as what, ending, sum(attempts) as n from parts group by 2
      union all select 'jobs', ending, sum(jobs) from parts group by 2),
    there as (
      select 'attempts' as what, ending, count(*) as n from attempt group by 2
      union all select 'jobs', state, count(*) from job where state in ('finished', 'failed', 'cancelled', 'closed') group by 2)
    select coalesce(c.what, t.what) as what, coalesce(c.ending, t.ending) as ending, coalesce(c.n, 0)::int as counted, coalesce(t.n, 0)::int as there
    from counted c full join there t on t.what = c.what and t.ending = c.ending
    where coalesce(c.n, 0) <> coalesce(t.n, 0)`)
