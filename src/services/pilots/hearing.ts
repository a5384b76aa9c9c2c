import type { Db } from '../../store/db.ts'
import * as store from '../../store/servers.ts'
import { putOffTimers } from '../../store/timers.ts'
import { type Engine, transact } from '../engine/engine.ts'

/**
 * Every process that serves pilots notes so often that it can hear them, s; notes that are missing for twice as long are time in which it could not: the server was
 * down or cut off from its database, or the clock jumped. (A share of the lease: 5 s, so that a pilot is never suspect for want of a note.)
 */
export const noteSeconds = (engine: Engine): number => engine.limits.leaseSeconds / 9
const gapSeconds = (engine: Engine): number => 2 * noteSeconds(engine)

/** Notes of older starts are kept so long, s: by then no pilot waits for that process. */
const keptSeconds = 86_400

/** Before this a note is too old to say that its process can hear now; one from after `latest` was written before the clock was set back. */
export const hearingSince = (engine: Engine, now: Date): Date => new Date(now.getTime() - gapSeconds(engine) * 1000)
const latest = (engine: Engine, now: Date): Date => new Date(now.getTime() + gapSeconds(engine) * 1000)

/** Whether anybody can hear pilots and drivers now; while nobody can, none is judged by its silence. */
export const isHearing = (engine: Engine, db: Db, now: Date): Promise<boolean> =>
  store.isHearing(db, hearingSince(engine, now), latest(engine, now))

/** This process can hear. When it could not for a while, or nobody could, that time is taken off the silence of those it would have heard. */
export const noteHearing = async (engine: Engine): Promise<void> => {
  const note = { id: engine.id, now: engine.clock(), gapSeconds: gapSeconds(engine) }
  if ((await store.noteHearing(engine.db, note)) > 0) return
  await transact(engine, async (tx) => {
    await store.takeHearingLock(tx)
    const now = engine.clock()
    await forgiveGaps(engine, tx, now)
    await store.insertHearing(tx, engine.id, now)
    await store.forgetServers(tx, new Date(now.getTime() - keptSeconds * 1000))
  })
}

/** Under the lock: of several that come back at once, the first takes off the time in which nobody could hear, the others what they were away longer. */
const forgiveGaps = async (engine: Engine, tx: Db, now: Date): Promise<void> => {
  const { leaseSeconds, driverSeconds } = engine.limits
  const { own, any } = (await store.heardUntil(tx, engine.id, latest(engine, now)))!
  const secondsSince = (at: Date | null) => (at ? (now.getTime() - at.getTime()) / 1000 : keptSeconds)
  const forgive = (serverId: string | null, seconds: number) =>
    store.forgivePilots(tx, { serverId, gapSeconds: seconds, now, leaseSeconds })
  const nobody = secondsSince(any) > gapSeconds(engine) ? secondsSince(any) : 0
  if (nobody > 0) {
    await forgive(null, nobody)
    await store.forgiveServers(tx, nobody)
    await putOffTimers(tx, 'driver', nobody, new Date(now.getTime() + driverSeconds * 1000))
  }
  if (own && secondsSince(own) > nobody) await forgive(engine.id, secondsSince(own) - nobody)
}
