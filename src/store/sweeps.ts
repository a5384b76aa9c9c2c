import { type Db, sql } from './db.ts'

/** `pause`: what waits agrees with being paused or not. `priority`: it lies where its priority puts it. `finish`: tasks take no more jobs and begin none. */
export type SweepKind = 'pause' | 'priority' | 'finish'

/** `taskId` 0: the tasks of the workflow; otherwise the jobs of that task. */
export type SweepRow = {
  workflowId: number
  taskId: number
  what: SweepKind
  after: number
  priority: number | null
  why: string
}

/** To be gone through from the start, whatever was asked before. */
export const askSweeps = (
  db: Db,
  s: { workflowId: number; taskIds: number[]; what: SweepKind; priority: number | null; why: string; now: Date },
) =>
  db.run(sql`
    insert into sweep (workflow_id, task_id, what, after, priority, why, at)
    select ${s.workflowId}, id, ${s.what}, -1, ${s.priority}::int, ${s.why}, ${s.now} from unnest(${s.taskIds}::bigint[]) u(id) order by id
    on conflict (workflow_id, task_id, what) do update
    set after = -1, priority = excluded.priority, why = excluded.why, at = excluded.at`)

/** The one at which nobody was for longest, of one workflow or of all. */
export const nextSweep = (db: Db, workflowId: number | null) =>
  db.row<SweepRow>(sql`
    select workflow_id as "workflowId", task_id as "taskId", what, after, priority, why from sweep
    where ${workflowId}::bigint is null or workflow_id = ${workflowId}::bigint
    order by at, workflow_id, task_id, what limit 1`)

/** Nothing happens to one that was asked anew meanwhile. */
export const moveOnSweep = (db: Db, s: SweepRow, after: number, now: Date) =>
  db.run(sql`
    update sweep set after = ${after}, at = ${now}
    where workflow_id = ${s.workflowId} and task_id = ${s.taskId} and what = ${s.what} and after = ${s.after} and priority is not distinct from ${s.priority}::int`)

/** 0 when it was asked anew meanwhile, or somebody else has ended it. */
export const dropSweep = (db: Db, s: SweepRow) =>
  db.run(sql`
    delete from sweep
    where workflow_id = ${s.workflowId} and task_id = ${s.taskId} and what = ${s.what} and after = ${s.after} and priority is not distinct from ${s.priority}::int`)
