import type { JobState } from '../domain/job/states.ts'
import { type Db, sql } from './db.ts'

/** Locks the parents, in order of id, and marks that they have children, so that whoever finishes them looks for these. */
export const lockParents = (db: Db, ids: number[]) =>
  db.rows<{ id: number; state: JobState; released: boolean; ownerId: number }>(sql`
    with l as materialized (select id, task_id, state, released, has_children from job where id = any(${ids}::bigint[]) order by id for no key update),
    u as (update job set has_children = true where id = any(array(select id from l where not has_children)))
    select l.id, l.state, l.released, t.owner_id as "ownerId" from l cross join lateral (select owner_id from task where id = l.task_id) t`)

export const insertEdges = (db: Db, edges: { parentId: number; childId: number }[]) =>
  db.run(sql`
    insert into edge (parent_id, child_id)
    select * from unnest(${edges.map((e) => e.parentId)}::bigint[], ${edges.map((e) => e.childId)}::bigint[]) on conflict do nothing`)

export const insertTaskEdges = (db: Db, childId: number, parents: { id: number; released: boolean }[]) =>
  db.run(sql`
    insert into task_edge (parent_id, child_id, released)
    select u.id, ${childId}, u.released from unnest(${parents.map((p) => p.id)}::bigint[], ${parents.map((p) => p.released)}::bool[]) u(id, released)
    on conflict do nothing`)

/** Which of these have more children than that. */
export const withMoreChildrenThan = async (db: Db, parentIds: number[], most: number): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(sql`
      select parent_id as id from edge where parent_id = any(${parentIds}::bigint[]) group by parent_id having count(*) > ${most} order by parent_id`)
  ).map((row) => row.id)

/** Jobs that wait for any of these, and for how many; to be locked by the caller, in order of id. Of no more edges than that, or of all. */
export const childrenOf = (db: Db, parentIds: number[], mostEdges: number | null) =>
  db.rows<{ jobId: number; n: number }>(sql`
    select child_id as "jobId", count(*)::int as n from (select child_id from edge where parent_id = any(${parentIds}::bigint[]) limit ${mostEdges}::bigint) e
    group by child_id order by child_id`)

/** The same, edge by edge. */
export const edgesOf = (db: Db, parentIds: number[]) =>
  db.rows<{ childId: number; parentId: number }>(sql`
    select child_id as "childId", parent_id as "parentId" from edge where parent_id = any(${parentIds}::bigint[]) order by child_id, parent_id`)

/** Takes `n` off what each of these waits for (locks held); returns those that wait for nothing more. */
export const decrementUnmet = (db: Db, rows: { jobId: number; n: number }[]) =>
  db.rows<{ id: number; taskId: number; state: JobState }>(sql`
    with u as (
      update job j set unmet = j.unmet - u.n
      from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.n)}::int[]) u(id, n)
      where j.id = u.id and j.state = 'pending' returning j.id, j.task_id, j.state, j.unmet)
    select id, task_id as "taskId", state from u where unmet <= 0 order by id`)

export type TaskEdge = { parentId: number; childId: number }

/** Tasks that wait for the end of any of these. */
export const taskChildren = (db: Db, parentIds: number[]) =>
  db.rows<TaskEdge>(sql`
    select parent_id as "parentId", child_id as "childId" from task_edge
    where parent_id = any(${parentIds}::bigint[]) and not released order by parent_id, child_id`)

/** Whether any task waits for the end of another: one probe of a small index. */
export const anyTaskWaits = async (db: Db): Promise<boolean> =>
  (await db.row<{ any: boolean }>(sql`select exists (select from task_edge where not released) as any`))!.any

/** Tasks for whose end this one still waits, and those that have ended without setting it free. */
export const waitsForTasks = async (db: Db, childId: number): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(
      sql`select parent_id as id from task_edge where child_id = ${childId} and not released order by parent_id`,
    )
  ).map((row) => row.id)

/** Those of the children for which these edges are all that they still wait for. Edges are released under the lock of the fold alone: what is read here stays true. */
export const tasksFreedBy = async (db: Db, edges: readonly TaskEdge[]): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(sql`
      with e as materialized (select child_id, count(*) as n from unnest(${edges.map((e) => e.childId)}::bigint[]) u(child_id) group by child_id)
      select t.id from e cross join lateral (select id, unmet from task where id = e.child_id offset 0) t where t.unmet <= e.n order by t.id`)
  ).map((row) => row.id)

/** Marks edges released, and takes as many off what the children wait for (locks held). */
export const releaseTaskEdges = (db: Db, edges: readonly TaskEdge[]) =>
  db.run(sql`
    with u as materialized (
      select t.tid, t.child_id from unnest(${edges.map((e) => e.parentId)}::bigint[], ${edges.map((e) => e.childId)}::bigint[]) u(parent_id, child_id)
      cross join lateral (
        select ctid as tid, child_id from task_edge where parent_id = u.parent_id and child_id = u.child_id and not released offset 0) t),
    e as (update task_edge set released = true where ctid = any(array(select tid from u)) returning child_id),
    n as materialized (select child_id, count(*)::int as n from e group by child_id)
    update task set unmet = unmet - n.n from n where id = n.child_id`)

/** Jobs of these tasks that wait for something. */
export const pendingJobsOf = async (db: Db, taskIds: number[]): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(sql`
      select j.id from unnest(${taskIds}::bigint[]) t(id)
      cross join lateral (select id from job where task_id = t.id and state = 'pending' offset 0) j order by j.id`)
  ).map((row) => row.id)
