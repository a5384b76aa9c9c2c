import type { Db } from '../store/db.ts'
import { clearHeldBy, lockJobs } from '../store/jobs.ts'
import { dropTimers, lockDueTimers, setTimers, type TimerRow } from '../store/timers.ts'
import type { Effects } from './effects.ts'
import { type Engine, transact } from './engine.ts'
import { isHearing } from './hearing.ts'
import { makeReady } from './moveJobs.ts'
import { pauseSilentDriver } from './workflows.ts'

const page = 500

/** While nobody can hear drivers, none is judged by its silence. */
const lookAgainMs = 5000

/** What is due now: jobs whose back-off is over may be claimed again, drivers that were not heard pause their workflow. True when the page was full. */
export const dueTimers = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx, effects) => {
    const now = engine.clock()
    const due = await lockDueTimers(tx, now, page)
    await backOffsOver(
      engine,
      tx,
      effects,
      due.filter((timer) => timer.kind === 'backOff'),
    )
    const drivers = due.filter((timer) => timer.kind === 'driver')
    if (drivers.length > 0 && !(await isHearing(engine, tx, now)))
      await setTimers(
        tx,
        drivers.map((timer) => ({ ...timer, at: new Date(now.getTime() + lookAgainMs) })),
      )
    else for (const { id } of drivers) await pauseSilentDriver(engine, tx, effects, id)
    return due.length === page
  })

const backOffsOver = async (engine: Engine, tx: Db, effects: Effects, timers: TimerRow[]) => {
  if (timers.length === 0) return
  const ids = timers.map((timer) => timer.id)
  const jobs = await lockJobs(tx, ids)
  await dropTimers(tx, 'backOff', ids)
  const free = jobs.filter((job) => job.state === 'activated' && job.heldBy === 'timer').map((job) => job.id)
  await clearHeldBy(tx, free)
  await makeReady(engine, tx, effects, free)
}
