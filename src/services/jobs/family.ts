import type { JobState } from '../../domain/job/states.ts'
import type { Db } from '../../store/db.ts'
import { nextChildren } from '../../store/edges.ts'
import { lockJobs } from '../../store/jobs.ts'
import * as sweeps from '../../store/sweeps.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { cancelForParent, releaseJobs } from './moveJobs.ts'

/** In which states of the parent its children are still to be told so: it may have been retried since. */
const toldIn = { release: ['finished'], orphans: ['failed', 'cancelled'] } satisfies Record<string, JobState[]>

/**
 * One page of the many jobs that waited for one. The first to come does it, and only once, since each of them counts that wait. Parents are locked before their children, who have higher
 * ids; who retries one of these locks its parent, too, so that what comes back knows how far this has come.
 */
export const sweepFamily = async (engine: Engine, tx: Db, effects: Effects, sweep: sweeps.SweepRow): Promise<void> => {
  const [parent] = await lockJobs(tx, [sweep.jobId])
  if (!(await sweeps.isStillThere(tx, sweep))) return
  const what = sweep.what as keyof typeof toldIn
  if (!(toldIn[what] as JobState[]).includes(parent!.state)) return void (await sweeps.dropSweep(tx, sweep))
  const limit = engine.limits.jobsAtOnce
  const ids = await nextChildren(tx, { parentId: sweep.jobId, after: sweep.after, until: sweep.until!, limit })
  if (what === 'release') {
    const waits = ids.map((jobId) => ({ jobId, n: 1 }))
    await releaseJobs(engine, tx, effects, waits)
  } else await cancelForParent(engine, tx, effects, ids, () => sweep.why)
  if (ids.length === limit) await sweeps.moveOnSweep(tx, sweep, ids.at(-1)!, engine.clock())
  else await sweeps.dropSweep(tx, sweep)
}
