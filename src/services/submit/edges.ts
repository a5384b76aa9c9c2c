import { fault } from '../../contract/faults.ts'
import type { NewJob } from '../../contract/tasks.ts'
import { type JobState, jobEnds } from '../../domain/job/states.ts'
import { readId, showSome } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import { insertEdges, lockParents } from '../../store/edges.ts'
import { jobIdsFrom } from '../../store/jobs.ts'
import { lockTasks } from '../../store/tasks.ts'
import type { Principal } from '../access/authenticate.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { cancelForParent } from '../jobs/moveJobs.ts'
import { ownerOf } from './rows.ts'

type Parent = { id: number; state: JobState; released: boolean }

/** How many of its parents are not released yet; one that is named twice is one edge. */
export const unmetOf = (job: NewJob, parents: Map<number, Parent>): number =>
  [...new Set(job.after)].filter((id) => !parents.get(readId('j', id)!)!.released).length

export const lockJobParents = async (
  tx: Db,
  principal: Principal,
  jobs: readonly NewJob[],
): Promise<Map<number, Parent>> => {
  const ids = [...new Set(jobs.flatMap((job) => job.after ?? []))].map((id) => readId('j', id)!)
  if (ids.length === 0) return new Map()
  const rows = await lockParents(tx, ids)
  const strangers = rows.filter((row) => row.ownerId !== ownerOf(principal))
  if (rows.length < ids.length || strangers.length > 0)
    throw fault('parent_unknown', 'a job named in `after` does not exist, or is not yours')
  return new Map(rows.map((row) => [row.id, row]))
}

export const lockTaskParents = async (tx: Db, principal: Principal, after: readonly string[]) => {
  const ids = [...new Set(after)].map((id) => readId('t', id)!)
  const rows = ids.length > 0 ? await lockTasks(tx, ids) : []
  if (rows.length < ids.length || rows.some((row) => row.ownerId !== ownerOf(principal)))
    throw fault('parent_unknown', 'a task named in `after` does not exist, or is not yours')
  return rows
}

/** Edges of the new jobs; those whose parent has ended badly already are cancelled at once. */
export const addJobEdges = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  taskId: number,
  first: number,
  jobs: readonly NewJob[],
  parents: Map<number, Parent>,
) => {
  const withParents = jobs.flatMap((job, i) =>
    job.after?.length ? [{ index: first + i, after: job.after.map((id) => readId('j', id)!) }] : [],
  )
  if (withParents.length === 0) return
  const ids = await jobIdsFrom(tx, taskId, first)
  const idAt = new Map(ids.map((row) => [row.index, row.id]))
  const edges = withParents.flatMap(({ index, after }) =>
    after.map((parentId) => ({ parentId, childId: idAt.get(index)! })),
  )
  await insertEdges(tx, edges)
  const orphans = edges.filter((e) => isBadEnd(parents.get(e.parentId)!.state)).map((e) => e.childId)
  if (orphans.length > 0)
    await cancelForParent(engine, tx, effects, [...new Set(orphans)], () => 'a job it should run after did not finish')
}

const isBadEnd = (state: JobState): boolean => state !== 'finished' && (jobEnds as readonly JobState[]).includes(state)

/** Jobs from that index on, which have come into a task that waits for these in vain. */
export const cancelOrphans = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { taskId, first, parentIds }: { taskId: number; first: number; parentIds: number[] },
) => {
  const ids = (await jobIdsFrom(tx, taskId, first)).map((row) => row.id)
  await cancelForParent(engine, tx, effects, ids, () => tasksDidNotEndWell(parentIds))
}

export const tasksDidNotEndWell = (ids: readonly number[]): string => `${showSome('t', ids)} did not end well`
