import type { Outcome } from '../../contract/jobs.ts'
import type { AttemptCause, HeldBy } from '../../domain/job/causes.ts'
import { hasEnded, type JobEnd, type JobState, type JobTrigger, jobTable } from '../../domain/job/states.ts'
import { showId, showSome } from '../../lib/ids.ts'
import { step } from '../../lib/machine.ts'
import type { Db } from '../../store/db.ts'
import { childrenOf, decrementUnmet, edgesOf, withMoreChildrenThan } from '../../store/edges.ts'
import { askFamilies, type FamilyKind } from '../../store/families.ts'
import type { LockedJob, ResultRow } from '../../store/jobs.ts'
import * as store from '../../store/jobs.ts'
import type { TaskFacts } from '../../store/tasks.ts'
import { dropTimers } from '../../store/timers.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'

/** One job and what happens to it. `result` must come with a move into an end. */
export type Happening = {
  job: LockedJob
  trigger: JobTrigger
  why?: string | null
  heldBy?: HeldBy
  result?: Omit<ResultRow, 'jobId'>
}

export type Moved = { happening: Happening; to: JobState }

/**
 * The one door through which jobs move (beside the two hot statements, the claim and `finishJobs`, which take their states from the same table). The caller
 * holds the locks of the jobs. What the table does not know is stale and left out of the answer. Ends are registered, children released or
 * cancelled, and whoever waits is told after the commit.
 */
export const moveJobs = async (engine: Engine, tx: Db, effects: Effects, happenings: Happening[]): Promise<Moved[]> => {
  const moved = happenings.flatMap((happening): Moved[] => {
    const stepped = step(jobTable, happening.job.state, happening.trigger)
    return stepped.kind === 'moved' ? [{ happening, to: stepped.to }] : []
  })
  if (moved.length === 0) return moved
  const now = engine.clock()
  const facts = await engine.tasks.get(new Set(moved.map((m) => m.happening.job.taskId)), tx)
  await store.moveJobs(
    tx,
    moved.map(({ happening: { job, trigger, why, heldBy }, to }) => ({
      id: job.id,
      taskId: job.taskId,
      workflowId: facts.get(job.taskId)!.workflowId,
      from: job.state,
      to,
      trigger,
      why: why ?? null,
      heldBy: heldBy ?? null,
    })),
    now,
  )
  await registerEnds(tx, effects, moved, facts, now)
  await dropBackOffs(tx, moved)
  await makeReady(
    engine,
    tx,
    effects,
    moved
      .filter(({ happening, to }) => to === 'activated' && !happening.heldBy && happening.trigger !== 'woken')
      .map((m) => m.happening.job.id),
  )
  await tellChildren(engine, tx, effects, moved)
  effects.ring('agent:fold')
  return moved
}

/** Who leaves his back-off before its end (a cancel) needs no waking. */
const dropBackOffs = async (tx: Db, moved: Moved[]): Promise<void> => {
  const ids = moved.filter(({ happening }) => happening.job.heldBy === 'timer').map(({ happening }) => happening.job.id)
  if (ids.length > 0) await dropTimers(tx, 'backOff', ids)
}

const registerEnds = async (tx: Db, effects: Effects, moved: Moved[], facts: Map<number, TaskFacts>, now: Date) => {
  const ended = moved.filter((m) => hasEnded(m.to))
  if (ended.length === 0) return
  await store.insertResults(
    tx,
    ended.map(({ happening: { job, result }, to }) => ({
      jobId: job.id,
      ending: to as JobEnd,
      ...(result ?? noResult),
    })),
    now,
  )
  for (const { happening, to } of ended) {
    const task = facts.get(happening.job.taskId)!
    effects.outcomes.push({
      workflowId: task.workflowId,
      parentJobId: task.parentJobId,
      outcome: outcomeOf({ ...happening.job, state: to as JobEnd }, happening.result ?? noResult),
    })
  }
}

const noResult: Omit<ResultRow, 'jobId'> = { value: null, blob: null, bytes: null, cause: null, error: null }

export const outcomeOf = (
  job: { id: number; taskId: number; index: number; attempt: number; state: JobEnd },
  result: Omit<ResultRow, 'jobId'>,
): Outcome => ({
  jobId: showId('j', job.id),
  taskId: showId('t', job.taskId),
  index: job.index,
  state: job.state,
  attempt: job.attempt,
  ...(result.value !== null ? { value: { text: result.value } } : {}),
  ...(result.blob !== null ? { value: { blob: result.blob, bytes: result.bytes ?? 0 } } : {}),
  ...(result.cause !== null ? { cause: result.cause as AttemptCause } : {}),
  ...(result.error !== null ? { error: JSON.parse(result.error) } : {}),
})

/** Lets activated jobs be claimed, and wakes who waits for them; those of a paused task are held. */
export const makeReady = async (engine: Engine, tx: Db, effects: Effects, jobIds: number[]): Promise<void> => {
  if (jobIds.length === 0) return
  // `enqueued` also lowers the hint of the lane; ringing alone would leave these below it.
  for (const { laneId } of await store.insertReady(tx, jobIds, ['paused']))
    effects.afterwards(() => engine.lanes.enqueued(laneId, 0), `lane:${laneId}`)
}

/** Children of what finished wait for one less; children of what ended otherwise are cancelled, and theirs, level by level. */
const tellChildren = async (engine: Engine, tx: Db, effects: Effects, moved: Moved[]): Promise<void> => {
  const parents = moved.filter((m) => m.happening.job.hasChildren && hasEnded(m.to))
  const finished = parents.filter((m) => m.to === 'finished').map((m) => m.happening.job)
  const lost = parents.filter((m) => m.to === 'failed' || m.to === 'cancelled').map((m) => m.happening.job)
  if (finished.length > 0) await releaseChildren(engine, tx, effects, finished)
  if (lost.length > 0) await cancelChildren(engine, tx, effects, lost)
}

/** In statements of its own, after the parents' move: an edge that was added meanwhile is seen here, and would not be by the moving statement's snapshot. */
const releaseChildren = async (engine: Engine, tx: Db, effects: Effects, parents: LockedJob[]): Promise<void> => {
  const most = engine.limits.jobsAtOnce
  const waits = await childrenOf(tx, idsOf(parents), most + 1)
  const edges = waits.reduce((sum, { n }) => sum + n, 0)
  // Most have few, and one statement more takes 12 % off the rate of a graph (measured).
  if (edges <= most) return releaseJobs(engine, tx, effects, waits)
  const small = await leaveLarge(engine, tx, effects, parents, 'release', () => 'what it waited for has finished')
  await releaseJobs(engine, tx, effects, await childrenOf(tx, small, null))
}

/** Jobs that wait for `n` less. Those that wait for nothing more may begin. */
export const releaseJobs = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  waits: { jobId: number; n: number }[],
): Promise<void> => {
  if (waits.length === 0) return
  const locked = await store.lockJobs(
    tx,
    waits.map((wait) => wait.jobId),
  )
  const free = new Set((await decrementUnmet(tx, waits)).map((row) => row.id))
  await moveJobs(
    engine,
    tx,
    effects,
    locked.filter((job) => free.has(job.id)).map((job) => ({ job, trigger: 'parentsReleased' })),
  )
}

const cancelChildren = async (engine: Engine, tx: Db, effects: Effects, parents: LockedJob[]): Promise<void> => {
  const parentIds = await leaveLarge(engine, tx, effects, parents, 'orphans', ({ id }) => didNotFinish([id]))
  const edges = await edgesOf(tx, parentIds)
  const parentsOf = new Map<number, number[]>(edges.map(({ childId }) => [childId, []]))
  for (const { childId, parentId } of edges) parentsOf.get(childId)!.push(parentId)
  await cancelForParent(engine, tx, effects, [...parentsOf.keys()], ({ id }) => didNotFinish(parentsOf.get(id)!))
}

const idsOf = (jobs: readonly { id: number }[]): number[] => jobs.map((job) => job.id)

const didNotFinish = (ids: readonly number[]): string => `${showSome('j', ids)} did not finish`

/** `whyOf`: what is said of each. */
export const cancelForParent = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  ids: number[],
  whyOf: (job: LockedJob) => string,
): Promise<void> => {
  if (ids.length === 0) return
  const locked = await store.lockFamilies(tx, ids, engine.limits.jobsAtOnce)
  await moveJobs(
    engine,
    tx,
    effects,
    locked.map((job) => {
      const why = whyOf(job)
      const result = { ...noResult, cause: 'parent' as const, error: errorText('ParentFailed', why) }
      return { job, trigger: 'parentFailed', why, result }
    }),
  )
}

/** Of those with more children than move at once these are told afterwards (`family.ts`); gives the ids of the others. */
const leaveLarge = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  parents: LockedJob[],
  what: FamilyKind,
  whyOf: (parent: LockedJob) => string,
): Promise<number[]> => {
  const ids = idsOf(parents)
  const large = new Set(await withMoreChildrenThan(tx, ids, engine.limits.jobsAtOnce))
  if (large.size === 0) return ids
  const families = parents.filter(({ id }) => large.has(id)).map((job) => ({ id: job.id, why: whyOf(job) }))
  await askFamilies(tx, what, families, engine.clock())
  effects.ring('agent:families')
  return ids.filter((id) => !large.has(id))
}

export const errorText = (type: string, message: string): string => JSON.stringify({ type, message })
export const cancelledResult = (why: string): Omit<ResultRow, 'jobId'> => ({
  ...noResult,
  cause: 'cancelled',
  error: errorText('Cancelled', why),
})
