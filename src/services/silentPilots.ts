import { decideRescue } from '../policy/rescue/decide.ts'
import { lockJobs } from '../store/jobs.ts'
import * as store from '../store/pilots.ts'
import { endAttempts } from './endAttempts.ts'
import { type Engine, transact } from './engine.ts'
import { leaseEnd } from './pilots.ts'

const page = 50

/**
 * Looks at pilots whose lease has run out: first they are suspect, then, when the patience for a job is over, that job is lost and given to others; with
 * nothing left to wait for the pilot is gone. True when the page was full.
 */
export const silentPilots = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx, effects) => {
    const now = engine.clock()
    const silent = await store.lockSilentPilots(tx, now, page)
    for (const pilot of silent) {
      const held = await store.heldBy(tx, pilot.id)
      const { lost, nextLookAt } = decideRescue(held, pilot.seenAt, now)
      const since = `silent since ${pilot.seenAt.toISOString()}`
      if (lost.length > 0)
        await endAttempts(engine, tx, effects, {
          jobs: await lockJobs(tx, lost),
          ending: 'lost',
          why: `its pilot is ${since}`,
          heldBy: pilot.id,
        })
      if (pilot.state === 'online')
        await store.movePilot(tx, {
          id: pilot.id,
          from: 'online',
          to: 'suspect',
          trigger: 'fellSilent',
          why: since,
          now,
        })
      if (nextLookAt) await store.deferSilent(tx, pilot.id, nextLookAt)
      else if (pilot.state === 'suspect' || held.length === 0)
        await store.movePilot(tx, { id: pilot.id, from: 'suspect', to: 'gone', trigger: 'gaveUpOn', why: since, now })
    }
    return silent.length === page
  })

/** Time in which nobody here could hear is not silence: called at a start, and after a gap. */
export const forgiveSilence = (engine: Engine): Promise<number> =>
  store.extendLeases(engine.db, leaseEnd(engine, engine.clock()))
