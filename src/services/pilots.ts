import { fault } from '../contract/faults.ts'
import type { NewPilot, RegisteredPilot, RenewalReply } from '../contract/pilots.ts'
import { sha256 } from '../lib/digest.ts'
import { readId, showId } from '../lib/ids.ts'
import { lockJobs } from '../store/jobs.ts'
import * as store from '../store/pilots.ts'
import type { Principal } from './authenticate.ts'
import { endAttempts } from './endAttempts.ts'
import { type Engine, transact } from './engine.ts'

/** A pilot starts: its epoch goes up, and what an earlier start of it held is lost at once, since nobody works on it any more. */
export const registerPilot = async (
  engine: Engine,
  principal: Principal,
  pilot: NewPilot,
): Promise<RegisteredPilot> => {
  const { queueId, queue } = pilotOnly(principal)
  if (pilot.queue !== queue) throw fault('forbidden', `this token is for the queue ${queue}`)
  const now = engine.clock()
  const started = await transact(engine, async (tx, effects) => {
    const row = (await store.startPilot(tx, {
      ...pilot,
      queueId,
      memoryMb: pilot.memoryMb ?? null,
      now,
      leaseUntil: leaseEnd(engine, now),
    }))!
    const left = (await store.heldBy(tx, row.id)).map((held) => held.jobId)
    if (left.length > 0)
      await endAttempts(engine, tx, effects, {
        jobs: await lockJobs(tx, left),
        ending: 'lost',
        why: 'its pilot started anew',
      })
    return row
  })
  await engine.lanes.resumeLane(started.id, queueId)
  return {
    pilotId: showId('p', started.id),
    epoch: started.epoch,
    renewSeconds: engine.limits.renewSeconds,
    suspectSeconds: engine.limits.leaseSeconds,
  }
}

export const leaseEnd = (engine: Engine, now: Date): Date => new Date(now.getTime() + engine.limits.leaseSeconds * 1000)

export const pilotOnly = (principal: Principal) => {
  if (principal.kind !== 'pilot') throw fault('forbidden', 'only a pilot may do this')
  return principal
}

/** The pilot behind a request: of the token's queue, and in its newest start. */
export const livingPilot = async (engine: Engine, principal: Principal, id: number, epoch: number) => {
  const { queueId } = pilotOnly(principal)
  const pilot = await store.pilotById(engine.db, id)
  if (!pilot || pilot.queueId !== queueId) throw fault('pilot_unknown', `no pilot ${showId('p', id)} on this queue`)
  if (pilot.epoch !== epoch)
    throw fault('pilot_replaced', `epoch ${pilot.epoch} of ${showId('p', id)} is the newest, not ${epoch}`)
  return pilot
}

/** The same for claims, from memory where it can be: the claim's own statement looks whether the epoch is still the newest. */
export const claimingPilot = async (engine: Engine, principal: Principal, id: number, epoch: number) => {
  const { queueId } = pilotOnly(principal)
  const known = engine.pilots.get(id)
  if (known?.epoch === epoch && known.queueId === queueId) return known
  await livingPilot(engine, principal, id, epoch)
  const pilot = { queueId, epoch, answered: 0 }
  engine.pilots.set(id, pilot)
  return pilot
}

type Listed = { jobId: string; attempt: number }

/** One call for all it holds. When both sides differ, the list decides: what it does not know goes back, what is no longer its own it drops. */
export const renewPilot = async (
  engine: Engine,
  principal: Principal,
  id: number,
  { epoch, held, list }: { epoch: number; held: string; list?: Listed[] },
): Promise<RenewalReply> => {
  pilotOnly(principal)
  const now = engine.clock()
  const leaseUntil = leaseEnd(engine, now)
  const renewed = await store.renewLease(engine.db, { id, epoch, now, leaseUntil })
  if (!renewed) await livingPilot(engine, principal, id, epoch)
  const ours = await store.heldBy(engine.db, id)
  const matches = heldDigest(ours) === held
  const cancel = ours.filter((h) => h.cancelAsked).map(listed)
  if (matches || !list)
    return { leaseUntil: leaseUntil.toISOString(), matches: matches || ours.length === 0, cancel, drop: [] }
  return {
    leaseUntil: leaseUntil.toISOString(),
    matches: true,
    cancel,
    drop: await reconcile(engine, id, epoch, ours, list, now),
  }
}

const listed = ({ jobId, attempt }: { jobId: number; attempt: number }) => ({ jobId: showId('j', jobId), attempt })

/** As `contract/pilots.ts` defines it. */
export const heldDigest = (held: readonly { jobId: number; attempt: number }[]): string =>
  sha256(
    held
      .map(({ jobId, attempt }) => `j${jobId}:${attempt}`)
      .sort()
      .join(' '),
  )

/**
 * What the server says it holds and the pilot does not know is given back, unless it was sent so recently that the answer to its claim may still be under
 * way. What the pilot says it holds and the server does not know, it drops.
 */
const reconcile = async (
  engine: Engine,
  pilotId: number,
  epoch: number,
  ours: store.HeldRow[],
  theirs: Listed[],
  now: Date,
) => {
  const known = new Set(theirs.map(({ jobId, attempt }) => `${jobId}:${attempt}`))
  const settled = now.getTime() - engine.limits.renewSeconds * 1000
  const forgotten = ours
    .filter((h) => h.epoch === epoch && h.sentAt.getTime() < settled && !known.has(`j${h.jobId}:${h.attempt}`))
    .map((h) => h.jobId)
  if (forgotten.length > 0)
    await transact(engine, async (tx, effects) => {
      const jobs = await lockJobs(tx, forgotten)
      await endAttempts(engine, tx, effects, {
        jobs,
        ending: 'returned',
        why: 'its pilot does not know it',
        heldBy: pilotId,
      })
    })
  const own = new Set(ours.map((h) => `j${h.jobId}:${h.attempt}`))
  return theirs
    .filter(({ jobId, attempt }) => !own.has(`${jobId}:${attempt}`))
    .map(({ jobId, attempt }) => listed({ jobId: readId('j', jobId)!, attempt }))
}

/** The pilot ends: what it still holds goes back, its attempt not counted. */
export const leavePilot = async (
  engine: Engine,
  principal: Principal,
  id: number,
  epoch: number,
): Promise<{ returned: number }> => {
  const pilot = await livingPilot(engine, principal, id, epoch)
  return transact(engine, async (tx, effects) => {
    const held = (await store.heldBy(tx, id)).map((h) => h.jobId)
    const jobs = held.length > 0 ? await lockJobs(tx, held) : []
    await endAttempts(engine, tx, effects, { jobs, ending: 'returned', why: 'its pilot left', heldBy: id })
    await store.movePilot(tx, {
      id,
      from: pilot.state,
      to: 'gone',
      trigger: 'left',
      why: 'it ended',
      now: engine.clock(),
    })
    return { returned: jobs.length }
  })
}
