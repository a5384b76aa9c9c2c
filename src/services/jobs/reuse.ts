import type { Value } from '../../contract/base.ts'
import type { NewJob, Payload } from '../../contract/tasks.ts'
import { showId } from '../../lib/ids.ts'
import * as policy from '../../policy/reuse/decide.ts'
import type { Db } from '../../store/db.ts'
import { jobIdsFrom, lockFamilies, removeReady } from '../../store/jobs.ts'
import * as store from '../../store/reuse.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { moveJobs } from './moveJobs.ts'

type New = { taskId: number; ownerId: number; payload: Payload; common: Value | null }

/**
 * Of jobs that have just been written, those whose result is known end here with it, in the transaction that writes them: they never run. The others are
 * noted, so that what they compute is found by the next. A job that waits for others is not looked up: it may be meant to see what they did.
 */
export const reuseResults = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { taskId, ownerId, payload, common }: New,
  first: number,
  jobs: readonly NewJob[],
): Promise<void> => {
  const parts = policy.partsOf(
    payload,
    common,
    jobs.map((job) => job.args),
  )
  const ids = (await jobIdsFrom(tx, taskId, first)).slice(0, jobs.length)
  const rows = ids.map(({ id }, i) => ({ jobId: id, key: policy.keyOf(parts[i]!), ...parts[i]! }))
  const keys = [...new Set(rows.map((row) => row.key))]
  const stored = new Map((await store.storedResults(tx, ownerId, keys)).map((row) => [row.key, row]))
  const found = new Map(rows.flatMap(({ jobId, key }) => (stored.has(key) ? [[jobId, stored.get(key)!]] : [])))
  const waiting = (await lockFamilies(tx, [...found.keys()], engine.limits.jobsAtOnce)).filter(
    (job) => job.state === 'activated',
  )
  await removeReady(
    tx,
    waiting.map((job) => job.id),
  )
  await moveJobs(
    engine,
    tx,
    effects,
    waiting.map((job) => {
      const { jobId, value, blob, bytes } = found.get(job.id)!
      return {
        job,
        trigger: 'reused',
        why: showId('j', jobId),
        result: { value, blob, bytes, cause: null, error: null },
      }
    }),
  )
  const unknown = rows.filter(({ key }) => !stored.has(key))
  if (unknown.length > 0) await store.noteForReuse(tx, ownerId, policy.workOf(payload), unknown)
}

/** For who asks why a job that might have taken a stored result did not; null for one that might not. */
export const whyNotReused = async (engine: Engine, jobId: number): Promise<string | null> => {
  const own = await store.reuseOfJob(engine.db, jobId)
  if (!own) return null
  const earlier = await store.earlierOfWork(engine.db, own.ownerId, own.work, jobId, 1000)
  return policy.whyNotReused(
    own,
    earlier.map((row) => ({ ...row, jobId: showId('j', row.jobId) })),
  )
}
