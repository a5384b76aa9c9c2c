import type { Db } from '../store/db.ts'
import { clearHeldBy, type LockedJob, lockFamilies } from '../store/jobs.ts'
import { dropTimers, lockDueTimers, setTimers, type TimerKind, type TimerRow } from '../store/timers.ts'
import type { Effects } from './engine/effects.ts'
import { type Engine, transact } from './engine/engine.ts'
import { callbacksOver } from './jobs/deferred.ts'
import { makeReady } from './jobs/moveJobs.ts'
import { isHearing } from './pilots/hearing.ts'
import { pauseSilentDriver } from './workflows/workflows.ts'

const page = 500

/** While nobody can hear drivers, none is judged by its silence. */
const lookAgainMs = 5000

/**
 * What is due now: jobs whose back-off is over may be claimed again, callbacks to which nobody has posted fail their attempts, drivers that were not heard pause their
 * workflow. True when the page was full.
 */
export const dueTimers = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx, effects) => {
    const now = engine.clock()
    const due = await lockDueTimers(tx, now, page)
    const drivers = due.filter((timer) => timer.kind === 'driver')
    if (due.length > drivers.length) await jobsDue(engine, tx, effects, due)
    if (drivers.length > 0 && !(await isHearing(engine, tx, now)))
      await setTimers(
        tx,
        drivers.map((timer) => ({ ...timer, at: new Date(now.getTime() + lookAgainMs) })),
      )
    else for (const { id } of drivers) await pauseSilentDriver(engine, tx, effects, id)
    return due.length === page
  })

/** All of them are locked together, since the locks of jobs are taken in one order. */
const jobsDue = async (engine: Engine, tx: Db, effects: Effects, due: TimerRow[]) => {
  const idsOf = (kind: TimerKind) => due.filter((timer) => timer.kind === kind).map(({ id }) => id)
  const [backOffs, callbacks] = [idsOf('backOff'), idsOf('callback')]
  const jobs = new Map(
    (await lockFamilies(tx, [...backOffs, ...callbacks], engine.limits.jobsAtOnce)).map((job) => [job.id, job]),
  )
  const those = (ids: number[]) => ids.flatMap((id) => jobs.get(id) ?? [])
  await dropTimers(tx, 'backOff', backOffs)
  await backOffsOver(engine, tx, effects, those(backOffs))
  await dropTimers(tx, 'callback', callbacks)
  await callbacksOver(engine, tx, effects, those(callbacks))
}

const backOffsOver = async (engine: Engine, tx: Db, effects: Effects, jobs: LockedJob[]) => {
  const free = jobs.filter((job) => job.state === 'activated' && job.heldBy === 'timer').map((job) => job.id)
  await clearHeldBy(tx, free)
  await makeReady(engine, tx, effects, free)
}
