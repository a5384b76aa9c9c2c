import { fault } from '../../contract/faults.ts'
import type { NewPilot, RegisteredPilot, Renewal, RenewalReply } from '../../contract/pilots.ts'
import { sha256 } from '../../lib/digest.ts'
import { readId, showId } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import { lockFamilies, lockJobs, removeReady } from '../../store/jobs.ts'
import * as store from '../../store/pilots.ts'
import type { Principal } from '../access/authenticate.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { endAttempts, mayGoOn } from '../jobs/endAttempts.ts'
import { moveJobs } from '../jobs/moveJobs.ts'

/**
 * A pilot starts: its epoch goes up, and what an earlier start of it held is lost at once. That is right because a pilot ends what is left of its earlier self on its
 * machine before it registers; should that one live all the same, it is told so by its next renewal, and whatever it says until then is refused by its epoch. Only on another
 * machine nothing was ended: there the earlier self must have fallen silent first.
 */
export const registerPilot = async (
  engine: Engine,
  principal: Principal,
  pilot: NewPilot,
): Promise<RegisteredPilot> => {
  const { queueId, queue } = pilotOnly(principal)
  if (pilot.queue !== queue) throw fault('forbidden', `this token is for the queue ${queue}`)
  const now = engine.clock()
  const started = await transact(engine, async (tx, effects) => {
    const earlier = await store.lockPilotNamed(tx, queueId, pilot.name)
    if (earlier && isKnownStart(earlier, pilot)) return earlier
    if (earlier) mustNotRunElsewhere(earlier, pilot, now)
    const row = (await store.startPilot(tx, {
      ...pilot,
      queueId,
      memoryMb: pilot.memoryMb ?? null,
      gpus: pilot.gpus ?? 0,
      start: pilot.start ?? null,
      serverId: engine.id,
      now,
      leaseUntil: new Date(now.getTime() + engine.limits.leaseSeconds * 1000),
    }))!
    const left = (await store.heldBy(tx, row.id)).map((held) => held.jobId)
    if (left.length > 0)
      await endAttempts(engine, tx, effects, {
        jobs: await lockFamilies(tx, left, engine.limits.jobsAtOnce),
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

/** A request may come twice, and the second time when the pilot has begun to work, or has ended and started again: that is no new start. */
const isKnownStart = ({ id, start: known }: store.PilotRow, { start }: NewPilot): boolean => {
  if (known === null || start === undefined || start > known) return false
  if (start < known) throw fault('pilot_replaced', `start ${known} of ${showId('p', id)} is the newest, not ${start}`)
  return true
}

const mustNotRunElsewhere = ({ id, host, state, leaseUntil }: store.PilotRow, pilot: NewPilot, now: Date) => {
  if (host === pilot.host || state !== 'online' || leaseUntil <= now) return
  throw fault('pilot_elsewhere', `${showId('p', id)} of this name was just heard on ${host}`, { host })
}

export const pilotOnly = (principal: Principal) => {
  if (principal.kind !== 'pilot') throw fault('forbidden', 'only a pilot may do this')
  return principal
}

/** The pilot behind a request: of the token's queue, and in its newest start. */
export const livingPilot = async (engine: Engine, principal: Principal, id: number, epoch: number) => {
  const { queueId } = pilotOnly(principal)
  return newestOf(await store.pilotById(engine.db, id), { queueId, id, epoch })
}

/** An epoch that is not known yet was given by a database that has since been set back: such a pilot is unknown, and registers again. */
const newestOf = (
  pilot: store.PilotRow | undefined,
  { queueId, id, epoch }: { queueId: number; id: number; epoch: number },
): store.PilotRow => {
  if (!pilot || pilot.queueId !== queueId || pilot.epoch < epoch)
    throw fault('pilot_unknown', `no start ${epoch} of ${showId('p', id)} on this queue`)
  if (pilot.epoch > epoch)
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

/** The same for reports, whose epoch is looked at with what is held: one of an older start is stale, not an error. */
export const ownPilot = async (engine: Engine, principal: Principal, id: number): Promise<void> => {
  const { queueId } = pilotOnly(principal)
  const known = engine.pilots.get(id) ?? (await store.pilotById(engine.db, id))
  if (known?.queueId !== queueId) throw fault('pilot_unknown', `no pilot ${showId('p', id)} on this queue`)
}

/** A claim found no such pilot at its post: it was given up while nobody heard it, and is heard now; or that start of it is over. */
export const hearClaimant = async (engine: Engine, id: number, epoch: number): Promise<void> => {
  if (await hear(engine, engine.db, id, epoch)) return
  const queueId = engine.pilots.get(id)?.queueId ?? 0
  engine.pilots.delete(id)
  newestOf(await store.pilotById(engine.db, id), { queueId, id, epoch })
}

const hear = (engine: Engine, db: Db, id: number, epoch: number) =>
  store.renewLease(db, {
    id,
    epoch,
    serverId: engine.id,
    now: engine.clock(),
    leaseSeconds: engine.limits.leaseSeconds,
  })

/** What a pilot says that it holds, and up to which claim that is all. */
type Told = Required<Pick<Renewal, 'epoch' | 'list'>> & Pick<Renewal, 'nextClaim'>

/**
 * One call for all it holds. When both sides differ, the list decides: what it does not know goes back, what was given up and not begun again is its own still, and
 * what is no longer its own it drops.
 */
export const renewPilot = async (
  engine: Engine,
  principal: Principal,
  id: number,
  { epoch, held, list, nextClaim }: Renewal,
): Promise<RenewalReply> => {
  await ownPilot(engine, principal, id)
  const now = engine.clock()
  if (!(await hear(engine, engine.db, id, epoch))) await livingPilot(engine, principal, id, epoch)
  const ours = await store.heldBy(engine.db, id)
  const matches = heldDigest(ours) === held
  return {
    leaseUntil: new Date(now.getTime() + engine.limits.leaseSeconds * 1000).toISOString(),
    matches: matches || list !== undefined,
    cancel: ours.filter((h) => h.cancelAsked).map(listed),
    drop: matches || !list ? [] : await reconcile(engine, id, ours, { epoch, list, nextClaim }, now),
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

/** What the pilot should drop, once both sides have forgotten what the other does not know. */
const reconcile = async (engine: Engine, pilotId: number, ours: store.HeldRow[], told: Told, now: Date) => {
  const { epoch, list } = told
  await giveBackForgotten(engine, pilotId, forgottenOf(engine, ours, told, now))
  const own = new Set(ours.map((h) => `j${h.jobId}:${h.attempt}`))
  const strange = list
    .filter(({ jobId, attempt }) => !own.has(`${jobId}:${attempt}`))
    .map(({ jobId, attempt }) => ({ jobId: readId('j', jobId)!, attempt }))
  const recovered = await recoverLost(engine, pilotId, epoch, strange)
  return strange.filter(({ jobId }) => !recovered.has(jobId)).map(listed)
}

/**
 * What the server says it holds and the pilot does not know: unless the answer to its claim may still be under way, since the pilot says that it waits for that, or since it was
 * sent a moment ago, after the list was made. What an earlier epoch holds (a claim that was under way while the pilot started anew) nobody knows.
 */
const forgottenOf = (
  engine: Engine,
  ours: store.HeldRow[],
  { epoch, list, nextClaim = Number.POSITIVE_INFINITY }: Told,
  now: Date,
): number[] => {
  const known = new Set(list.map(({ jobId, attempt }) => `${jobId}:${attempt}`))
  const settled = now.getTime() - engine.limits.renewSeconds * 1000
  const isUnderWay = (h: store.HeldRow) => h.claimSeq >= nextClaim || h.sentAt.getTime() >= settled
  return ours
    .filter((h) => h.epoch !== epoch || (!isUnderWay(h) && !known.has(`j${h.jobId}:${h.attempt}`)))
    .map((h) => h.jobId)
}

const giveBackForgotten = async (engine: Engine, pilotId: number, jobIds: number[]): Promise<void> => {
  if (jobIds.length === 0) return
  const why = 'its pilot does not know it'
  await transact(engine, async (tx, effects) => {
    const jobs = await lockFamilies(tx, jobIds, engine.limits.jobsAtOnce)
    await endAttempts(engine, tx, effects, { jobs, ending: 'returned', why, heldBy: pilotId })
  })
}

/**
 * A pilot that was silent for so long that jobs of it were given up is back with them. Those that nobody has begun again are its own still: their attempts go on as if it had been
 * heard all the time. Gives the ids of those.
 */
export const recoverLost = async (
  engine: Engine,
  pilotId: number,
  epoch: number,
  attempts: { jobId: number; attempt: number }[],
): Promise<Set<number>> => {
  if (attempts.length === 0) return new Set()
  return transact(engine, async (tx, effects) => {
    if (!(await hear(engine, tx, pilotId, epoch))) return new Set()
    const ids = attempts.map((a) => a.jobId)
    const jobs = await lockJobs(tx, ids)
    const isHeld = new Set((await store.heldOf(tx, ids)).map((h) => h.jobId))
    const attemptOf = new Map(attempts.map((a) => [a.jobId, a.attempt]))
    const free = jobs.filter((job) => mayGoOn(job) && job.attempt === attemptOf.get(job.id) && !isHeld.has(job.id))
    const back = await store.takeBackLost(tx, {
      pilotId,
      epoch,
      attempts: free.map((job) => ({ jobId: job.id, attempt: job.attempt })),
    })
    const isBack = new Set(back.map((row) => row.jobId))
    await removeReady(tx, [...isBack])
    const why = 'its pilot came back before another had begun it'
    await moveJobs(
      engine,
      tx,
      effects,
      free.filter((job) => isBack.has(job.id)).map((job) => ({ job, trigger: 'recovered', why })),
    )
    return isBack
  })
}

/** The pilot ends: what it still holds goes back, its attempt not counted. Its epoch ends with it; asked again, nothing is left to do. */
export const leavePilot = async (
  engine: Engine,
  principal: Principal,
  id: number,
  epoch: number,
): Promise<{ returned: number }> => {
  const { queueId } = pilotOnly(principal)
  return transact(engine, async (tx, effects) => {
    const pilot = await store.lockPilot(tx, id)
    if (pilot?.state === 'gone' && pilot.queueId === queueId && pilot.epoch === epoch + 1) return { returned: 0 }
    const { state } = newestOf(pilot, { queueId, id, epoch })
    const held = (await store.heldBy(tx, id)).map((h) => h.jobId)
    const jobs = held.length > 0 ? await lockFamilies(tx, held, engine.limits.jobsAtOnce) : []
    await endAttempts(engine, tx, effects, { jobs, ending: 'returned', why: 'its pilot left', heldBy: id })
    const now = engine.clock()
    await store.movePilot(tx, { id, from: state, to: 'gone', trigger: 'left', why: 'it ended', now })
    await store.endEpoch(tx, id)
    return { returned: jobs.length }
  })
}
