import { type Db, sql } from './db.ts'

/**
 * `pause`: what waits agrees with being paused or not. `priority`: it lies where its priority puts it. `finish`: tasks take no more jobs and begin none. `release`: what waited for other tasks
 * waits for them no more. `orphans`: what waits is cancelled, since one of those did not end well.
 */
export type SweepKind = 'pause' | 'priority' | 'finish' | 'release' | 'orphans'

/** `taskId` 0: the tasks of the workflow; otherwise the jobs of that task. */
export type SweepRow = {
  workflowId: number
  taskId: number
  what: SweepKind
  after: number
  /** The index of the last job that is meant; null when all are. */
  until: number | null
  priority: number | null
  why: string
}

/** To be gone through from the start, whatever was asked before. */
export const askSweeps = (
  db: Db,
  s: {
    workflowId: number
    taskIds: number[]
    what: SweepKind
    until?: number
    priority: number | null
    why: string
    now: Date
  },
) =>
  db.run(sql`
    insert into sweep (workflow_id, task_id, what, after, until, priority, why, at)
    select ${s.workflowId}, id, ${s.what}, -1, ${s.until ?? null}::bigint, ${s.priority}::int, ${s.why}, ${s.now} from unnest(${s.taskIds}::bigint[]) u(id) order by id
    on conflict (workflow_id, task_id, what) do update
    set after = -1, until = excluded.until, priority = excluded.priority, why = excluded.why, at = excluded.at`)

/** The one at which nobody was for longest, of one workflow or of all. */
export const nextSweep = (db: Db, workflowId: number | null) =>
  db.row<SweepRow>(sql`
    select workflow_id as "workflowId", task_id as "taskId", what, after, until, priority, why from sweep
    where ${workflowId}::bigint is null or workflow_id = ${workflowId}::bigint
    order by at, workflow_id, task_id, what limit 1`)

/** Nothing happens to one that was asked anew meanwhile. */
export const moveOnSweep = (db: Db, s: SweepRow, after: number, now: Date) =>
  db.run(sql`
    update sweep set after = ${after}, at = ${now}
    where workflow_id = ${s.workflowId} and task_id = ${s.taskId} and what = ${s.what} and after = ${s.after} and until is not distinct from ${s.until}::bigint
      and priority is not distinct from ${s.priority}::int`)

/** 0 when it was asked anew meanwhile, or somebody else has ended it. */
export const dropSweep = (db: Db, s: SweepRow) =>
  db.run(sql`
    delete from sweep
    where workflow_id = ${s.workflowId} and task_id = ${s.taskId} and what = ${s.what} and after = ${s.after} and until is not distinct from ${s.until}::bigint
      and priority is not distinct from ${s.priority}::int`)

/** Whether nobody has gone on with it meanwhile. */
export const isStillThere = async (db: Db, s: SweepRow): Promise<boolean> =>
  (await db.row(sql`
    select from sweep where workflow_id = ${s.workflowId} and task_id = ${s.taskId} and what = ${s.what} and after = ${s.after}
      and until is not distinct from ${s.until}::bigint`)) !== undefined

/** The next jobs of its task that wait for something. */
export const pendingJobs = (db: Db, s: SweepRow, limit: number) =>
  db.rows<{ id: number; index: number }>(sql`
    select id, index from job
    where task_id = ${s.taskId} and index > ${s.after} and (${s.until}::bigint is null or index <= ${s.until}::bigint) and state = 'pending'
    order by index limit ${limit}`)

/** How far a task is released that waited for others: jobs after `after`, up to `until`, count that wait still. */
export const releaseOf = (db: Db, workflowId: number, taskId: number) =>
  db.row<{ after: number; until: number }>(
    sql`select after, until from sweep where workflow_id = ${workflowId} and task_id = ${taskId} and what = 'release'`,
  )
