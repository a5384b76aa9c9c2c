import { decideRescue } from '../../policy/rescue/decide.ts'
import type { Db } from '../../store/db.ts'
import { lockFamilies } from '../../store/jobs.ts'
import * as store from '../../store/pilots.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { endAttempts } from '../jobs/endAttempts.ts'
import { hearingSince, isHearing } from './hearing.ts'

/** So many jobs are given up in one transaction: it stays well below a second. */
const page = 500

/**
 * Looks at one pilot whose lease has run out: first it is suspect, then, when the patience for a job is over, that job is lost and given to others; with nothing left to wait
 * for the pilot is gone. True when it found one, so that there may be another. While no process can hear pilots, nobody is judged.
 */
export const silentPilots = (engine: Engine): Promise<boolean> =>
  transact(engine, async (tx, effects) => {
    const now = engine.clock()
    const pilot = await store.lockSilentPilot(tx, now)
    if (!pilot || !(await isHearing(engine, tx, now))) return false
    const why = `silent since ${pilot.seenAt.toISOString()}`
    const move = (from: 'online' | 'suspect', to: 'suspect' | 'gone', trigger: 'fellSilent' | 'gaveUpOn') =>
      store.movePilot(tx, { id: pilot.id, from, to, trigger, why, now })
    if (pilot.state === 'online') await move('online', 'suspect', 'fellSilent')
    const { lost, nextLookAt } = decideRescue(await factsOf(engine, tx, pilot, now), now)
    await giveUp(engine, tx, effects, pilot.id, lost.slice(0, page), `its pilot is ${why}`)
    if (lost.length > page) return true
    if (nextLookAt) await store.deferSilent(tx, pilot.id, nextLookAt)
    else await move('suspect', 'gone', 'gaveUpOn')
    return true
  })

const factsOf = async (engine: Engine, tx: Db, pilot: store.SilentRow, now: Date) => {
  const { id, silentSince, lostAfterSeconds, serverHeardUntil } = pilot
  const isAway = serverHeardUntil !== null && serverHeardUntil < hearingSince(engine, now)
  return {
    jobs: await store.heldBy(tx, id),
    silentSince,
    lostAfterSeconds,
    serverAwaySince: isAway ? serverHeardUntil : null,
  }
}

const giveUp = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  pilotId: number,
  lost: number[],
  why: string,
): Promise<void> => {
  if (lost.length === 0) return
  await endAttempts(engine, tx, effects, {
    jobs: await lockFamilies(tx, lost, engine.limits.jobsAtOnce),
    ending: 'lost',
    why,
    heldBy: pilotId,
  })
}
