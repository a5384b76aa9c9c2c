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
} & Record<JobState, number>

/** One folder at a time, in its transaction: the counters' rows need no order of locks then. False when another one folds. */
export const takeFoldLock = async (db: Db): Promise<boolean> =>
  (await db.row<{ got: boolean }>(sql`select pg_try_advisory_xact_lock(7287) as got`))!.got

/** Takes up to `limit` appended deltas and adds them to the counters of their tasks and workflows. Returns the tasks that they touched. */
export const foldTaskDeltas = async (db: Db, limit: number): Promise<{ deltas: number; folded: FoldedTask[] }> => {
  const folded = await db.rows<FoldedTask & { deltas: number }>(sql`
    with gone as materialized (
      delete from task_delta where ctid = any(array(select ctid from task_delta limit ${limit} for update skip locked)) returning *),
    s as materialized (
      select task_id, coalesce(sum(pending), 0) pending, coalesce(sum(activated), 0) activated, coalesce(sum(sent), 0) sent, coalesce(sum(starting), 0) starting,
             coalesce(sum(running), 0) running, coalesce(sum(awaiting), 0) awaiting, coalesce(sum(holding), 0) holding,
             coalesce(sum(transferring), 0) transferring, coalesce(sum(merging), 0) merging, coalesce(sum(finished), 0) finished,
             coalesce(sum(failed), 0) failed, coalesce(sum(cancelled), 0) cancelled, coalesce(sum(closed), 0) closed
      from gone group by task_id),
    w as (
      update workflow_count w set
        pending = w.pending + g.pending, activated = w.activated + g.activated, sent = w.sent + g.sent, starting = w.starting + g.starting,
        running = w.running + g.running, awaiting = w.awaiting + g.awaiting, holding = w.holding + g.holding,
        transferring = w.transferring + g.transferring, merging = w.merging + g.merging, finished = w.finished + g.finished,
        failed = w.failed + g.failed, cancelled = w.cancelled + g.cancelled, closed = w.closed + g.closed
      from (
        select t.workflow_id, sum(s.pending) pending, sum(s.activated) activated, sum(s.sent) sent, sum(s.starting) starting, sum(s.running) running,
               sum(s.awaiting) awaiting, sum(s.holding) holding, sum(s.transferring) transferring, sum(s.merging) merging, sum(s.finished) finished,
               sum(s.failed) failed, sum(s.cancelled) cancelled, sum(s.closed) closed
        from s join task t on t.id = s.task_id group by t.workflow_id) g
      where w.workflow_id = g.workflow_id)
    update task_count c set
      pending = c.pending + s.pending, activated = c.activated + s.activated, sent = c.sent + s.sent, starting = c.starting + s.starting,
      running = c.running + s.running, awaiting = c.awaiting + s.awaiting, holding = c.holding + s.holding,
      transferring = c.transferring + s.transferring, merging = c.merging + s.merging, finished = c.finished + s.finished,
      failed = c.failed + s.failed, cancelled = c.cancelled + s.cancelled, closed = c.closed + s.closed, counted = true
    from s join task t on t.id = s.task_id cross join lateral (select counted from task_count where task_id = s.task_id) old
    where c.task_id = s.task_id
    returning not old.counted as "isNew", c.task_id as "taskId", t.workflow_id as "workflowId", t.state, t.closed as "isClosed", t.jobs,
      c.pending, c.activated, c.sent, c.starting, c.running, c.awaiting, c.holding, c.transferring, c.merging, c.finished, c.failed, c.cancelled, c.closed,
      (select count(*)::int from gone) as deltas`)
  return { deltas: folded[0]?.deltas ?? 0, folded }
}

/** Makes the folder look at a task again though no job of it moved (it was closed, or it has no jobs at all). */
export const touchTaskCount = (db: Db, taskId: number) =>
  db.run(sql`insert into task_delta (task_id) values (${taskId})`)
