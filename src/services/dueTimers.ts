import type { Db } from '../store/db.ts'
import { clearHeldBy, lockJobs } from '../store/jobs.ts'
import { dropTimers, lockDueTimers, type TimerRow } from '../store/timers.ts'
import type { Effects } from './effects.ts'
import { type Engine, transact } from './engine.ts'
import { makeReady } from './moveJobs.ts'
import { pauseSilentDriver } from './workflows.ts'

const page = 500

/** What is due now: jobs whose back-off is over may be claimed again, drivers that were not heard pause their workflow. True when the page was full. */
export const dueTimers = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx, effects) => {
    const due = await lockDueTimers(tx, engine.clock(), page)
    await backOffsOver(
      engine,
      tx,
      effects,
      due.filter((timer) => timer.kind === 'backOff'),
    )
    for (const { id } of due.filter((timer) => timer.kind === 'driver'))
      await pauseSilentDriver(engine, tx, effects, id)
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
