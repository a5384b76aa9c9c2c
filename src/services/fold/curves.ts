import type { FoldedTask } from '../../store/counters.ts'
import * as store from '../../store/curves.ts'
import type { Db } from '../../store/db.ts'

/** So many points of a task at most; the first of them so far apart, s. A task of three minutes has all of its seconds, one of a week its hours. */
const pace = { most: 200, firstSeconds: 1 }

/** Keeps where tasks of several jobs stand after a fold. `ended`: of these it is the last word. */
export const keepCurves = async (
  tx: Db,
  folded: readonly FoldedTask[],
  ended: ReadonlySet<number>,
  now: Date,
): Promise<void> => {
  const some = folded.filter(({ jobs }) => jobs > 1)
  if (some.length === 0) return
  const moments = some.map((task) => ({ ...task, isLast: ended.has(task.taskId) }))
  const full = await store.addCurvePoints(tx, moments, { ...pace, now })
  if (full.length > 0)
    await store.thinCurves(
      tx,
      full.map((row) => row.taskId),
    )
}
