import { bounded, keyOf } from '../../policy/trouble/bound.ts'
import * as store from '../../store/troubles.ts'
import { type Engine, transact } from '../engine/engine.ts'

const page = 500

/** So many jobs of each trouble can be looked at, the newest. */
const mostJobs = 200

/** What went wrong hour by hour is told for so long, ms. */
const keptMs = 90 * 86_400_000

/** Folds a page of what went wrong into the troubles of experiments, their hours, hosts, users and tasks. True when there is probably more. */
export const foldTroubles = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx) => {
    if (!(await store.takeTroubleLock(tx))) return false
    const taken = await store.takeTroubles(tx, page)
    if (taken.length === 0) return false
    const known = new Map<number, Set<string>>()
    for (const row of await store.kindsOfTasks(tx, [...new Set(taken.map((row) => row.taskId))]))
      known.set(row.taskId, (known.get(row.taskId) ?? new Set()).add(keyOf(row)))
    const rows = bounded(taken, known)
    const ids = new Map((await store.addTroubles(tx, rows)).map((row) => [placeOf(row), row.id]))
    const added = rows.map((row) => ({ ...row, troubleId: ids.get(placeOf(row))! }))
    await store.spreadTroubles(tx, added)
    await store.keepTroubleJobs(tx, newestOf(added), mostJobs)
    return taken.length === page
  })

const placeOf = (row: Omit<store.TroubleKey, 'id'>): string => `${row.experimentId} ${keyOf(row)}`

/** Of each trouble and job the last attempt. */
const newestOf = (rows: readonly store.AddedTrouble[]) => [
  ...new Map(
    rows.flatMap(({ troubleId, at, jobs }) =>
      jobs.map((job) => [`${troubleId} ${job.jobId}`, { troubleId, at, ...job }] as const),
    ),
  ).values(),
]

export const forgetTroubles = (engine: Engine) =>
  store.forgetTroubleHours(engine.db, new Date(engine.clock().getTime() - keptMs))
