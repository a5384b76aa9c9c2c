import type { JobState } from '../domain/job/states.ts'
import type { TaskState } from '../domain/task/states.ts'
import { type Db, sql } from './db.ts'

/** One task's counters after a fold, with what is needed to decide whether it ended. */
export type FoldedTask = {
  taskId: number
  workflowId: number
  state: TaskState
  isClosed: boolean
  jobs: number
  isNew: boolean
  /** How many of its jobs have come back by a retry, and it itself, as far as the counters know. */
  cameBack: number
  /** It is being retried: jobs of it are still to come back. */
  isRetrying: boolean
} & Record<JobState, number>

/** One folder at a time, in its transaction: the counters' rows need no order of locks then. False when another one folds. */
export const takeFoldLock = async (db: Db): Promise<boolean> =>
  (await db.row<{ got: boolean }>(sql`select pg_try_advisory_xact_lock(7287) as got`))!.got

/** Takes up to `limit` appended deltas and adds them to the counters of their tasks, workflows, lanes and experiments. Returns the tasks that they touched, in order. */
export const foldTaskDeltas = async (db: Db, limit: number): Promise<{ deltas: number; folded: FoldedTask[] }> => {
  const folded = await db.rows<FoldedTask & { deltas: number }>(sql`
    with gone as materialized (
      delete from task_delta where ctid = any(array(select ctid from task_delta limit ${limit} for update skip locked)) returning *),
    s as materialized (
      select task_id, coalesce(sum(pending), 0) pending, coalesce(sum(activated), 0) activated, coalesce(sum(sent), 0) sent, coalesce(sum(starting), 0) starting,
             coalesce(sum(running), 0) running, coalesce(sum(awaiting), 0) awaiting, coalesce(sum(holding), 0) holding,
             coalesce(sum(transferring), 0) transferring, coalesce(sum(merging), 0) merging, coalesce(sum(finished), 0) finished,
             coalesce(sum(failed), 0) failed, coalesce(sum(cancelled), 0) cancelled, coalesce(sum(closed), 0) closed,
             coalesce(sum(came_back), 0) came_back, coalesce(sum(reopened), 0) reopened
      from gone group by task_id),
    w as (
      update workflow_count w set
        pending = w.pending + g.pending, activated = w.activated + g.activated, sent = w.sent + g.sent, starting = w.starting + g.starting,
        running = w.running + g.running, awaiting = w.awaiting + g.awaiting, holding = w.holding + g.holding,
        transferring = w.transferring + g.transferring, merging = w.merging + g.merging, finished = w.finished + g.finished,
        failed = w.failed + g.failed, cancelled = w.cancelled + g.cancelled, closed = w.closed + g.closed,
        tasks_ended = w.tasks_ended - g.reopened, tasks_failed = w.tasks_failed - g.reopened
      from (
        select t.workflow_id, sum(s.pending) pending, sum(s.activated) activated, sum(s.sent) sent, sum(s.starting) starting, sum(s.running) running,
               sum(s.awaiting) awaiting, sum(s.holding) holding, sum(s.transferring) transferring, sum(s.merging) merging, sum(s.finished) finished,
               sum(s.failed) failed, sum(s.cancelled) cancelled, sum(s.closed) closed,
               sum(s.reopened) reopened
        from s join task t on t.id = s.task_id group by t.workflow_id) g
      where w.workflow_id = g.workflow_id),
    l as (
      insert into lane_count as c (lane_id, state, jobs)
      select t.lane_id, v.state, sum(v.n)
      from s join task t on t.id = s.task_id cross join lateral (values
        ('pending', s.pending), ('activated', s.activated), ('sent', s.sent), ('starting', s.starting), ('running', s.running), ('awaiting', s.awaiting),
        ('holding', s.holding), ('transferring', s.transferring), ('merging', s.merging), ('finished', s.finished), ('failed', s.failed),
        ('cancelled', s.cancelled), ('closed', s.closed)) v(state, n)
      where v.n <> 0 group by t.lane_id, v.state
      on conflict (lane_id, state) do update set jobs = c.jobs + excluded.jobs),
    x as (
      insert into experiment_count as c (experiment_id, state, jobs)
      select t.experiment_id, v.state, sum(v.n)
      from s join task t on t.id = s.task_id cross join lateral (values
        ('pending', s.pending), ('activated', s.activated), ('sent', s.sent), ('starting', s.starting), ('running', s.running), ('awaiting', s.awaiting),
        ('holding', s.holding), ('transferring', s.transferring), ('merging', s.merging), ('finished', s.finished), ('failed', s.failed),
        ('cancelled', s.cancelled), ('closed', s.closed)) v(state, n)
      where v.n <> 0 group by t.experiment_id, v.state
      on conflict (experiment_id, state) do update set jobs = c.jobs + excluded.jobs),
    u as (
      insert into task_count as c (task_id, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed, came_back)
      select task_id, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed, came_back from s
      on conflict (task_id) do update set
        pending = c.pending + excluded.pending, activated = c.activated + excluded.activated, sent = c.sent + excluded.sent, starting = c.starting +
        excluded.starting, running = c.running + excluded.running, awaiting = c.awaiting + excluded.awaiting, holding = c.holding + excluded.holding,
        transferring = c.transferring + excluded.transferring, merging = c.merging + excluded.merging, finished = c.finished + excluded.finished,
        failed = c.failed + excluded.failed, cancelled = c.cancelled + excluded.cancelled, closed = c.closed + excluded.closed,
        came_back = c.came_back + excluded.came_back
      returning c.*, c.xmax = 0 as is_new)
    select u.is_new as "isNew", u.task_id as "taskId", t.workflow_id as "workflowId", t.state, t.closed as "isClosed", t.jobs,
      u.pending, u.activated, u.sent, u.starting, u.running, u.awaiting, u.holding, u.transferring, u.merging, u.finished, u.failed, u.cancelled,
      u.closed, u.came_back as "cameBack", exists (select from retry r where r.task_id = u.task_id) as "isRetrying",
      (select count(*)::int from gone) as deltas
    from u join task t on t.id = u.task_id order by u.task_id`)
  return { deltas: folded[0]?.deltas ?? 0, folded }
}

/** Makes the folder look at a task again though no job of it moved (it was closed, or it has no jobs at all). */
export const touchTaskCount = (db: Db, taskId: number) =>
  db.run(sql`insert into task_delta (task_id) values (${taskId})`)
