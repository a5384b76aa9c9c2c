import type { JobState } from '../../domain/job/states.ts'
import type { Db } from '../../store/db.ts'
import * as store from '../../store/families.ts'
import { lockJobs } from '../../store/jobs.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { cancelForParent, releaseJobs } from './moveJobs.ts'

/** In which states of the parent its children are still to be told so: it may have been retried since. */
const toldIn: Record<store.FamilyKind, JobState[]> = { release: ['finished'], orphans: ['failed', 'cancelled'] }

/** Tells one page of the many children of a job how that ended; false when there is none such. */
export const familyPage = async (engine: Engine): Promise<boolean> => {
  const parentId = await store.nextFamily(engine.db)
  if (parentId === undefined) return false
  await transact(engine, (tx, effects) => tellPage(engine, tx, effects, parentId))
  return true
}

/**
 * How far it has come is read under the lock of the parent, so that no page of a release is done twice: each child counts that wait. Parents are locked before their children, who have
 * higher ids; who retries one of these locks its parent, too, and so knows whether it was told.
 */
const tellPage = async (engine: Engine, tx: Db, effects: Effects, parentId: number): Promise<void> => {
  const [parent] = await lockJobs(tx, [parentId])
  const family = await store.familyOf(tx, parentId)
  if (!family) return
  if (!toldIn[family.what].includes(parent!.state)) return void (await store.dropFamily(tx, parentId))
  const limit = engine.limits.jobsAtOnce
  const ids = await store.nextChildren(tx, parentId, family, limit)
  const waits = ids.map((jobId) => ({ jobId, n: 1 }))
  if (family.what === 'release') await releaseJobs(engine, tx, effects, waits)
  else await cancelForParent(engine, tx, effects, ids, () => family.why)
  if (ids.length === limit) await store.moveOnFamily(tx, parentId, ids.at(-1)!, engine.clock())
  else await store.dropFamily(tx, parentId)
}
