import { maxCallbackSeconds } from '../../contract/callbacks.ts'
import type { RemoteError } from '../../contract/jobs.ts'
import type { Report } from '../../contract/pilots.ts'
import type { JobState } from '../../domain/job/states.ts'
import { showId } from '../../lib/ids.ts'
import * as store from '../../store/callbacks.ts'
import type { Db } from '../../store/db.ts'
import { insertAttempts, type LockedJob } from '../../store/jobs.ts'
import { dropHeld, heldOf } from '../../store/pilots.ts'
import { dropTimers, setTimers } from '../../store/timers.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { moveEnded } from './endAttempts.ts'
import { type Moved, moveJobs } from './moveJobs.ts'

/**
 * A deferred attempt: its payload has ended, and its value is to be posted to its callback. It has left its pilot, so nothing that befalls that one reaches it, and a timer
 * watches it. It ends once: by what is posted, by its timer or by a cancel, whichever has the lock of its job first.
 */

/** A payload has done its part, its pilot reports. What was posted before is applied now. The state after it; undefined when the report was stale. */
export const deferJob = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  job: LockedJob,
  report: Report,
): Promise<JobState | undefined> => {
  const row = await deferredRow(engine, tx, job, report)
  const why = `its value may be posted until ${row.until.toISOString()}`
  const [moved] = await moveJobs(engine, tx, effects, [{ job, trigger: 'payloadDone', why }])
  if (!moved) return undefined
  await dropHeld(tx, [job.id])
  await store.insertDeferred(tx, row)
  const holding = { ...job, state: moved.to }
  const posted = await store.postedFor(tx, job.id, job.attempt)
  if (posted) return applyPosted(engine, tx, effects, holding, posted)
  if (job.cancelAsked) return (await cancelDeferred(engine, tx, effects, [holding], 'cancelled'))[0]?.to
  await setTimers(tx, [{ kind: 'callback', id: job.id, at: row.until, why }])
  effects.ring('agent:timers')
  return moved.to
}

const deferredRow = async (
  engine: Engine,
  tx: Db,
  { id, attempt }: LockedJob,
  { startedAt, endedAt, until, usage }: Report,
): Promise<store.DeferredRow> => {
  const [hold] = await heldOf(tx, [id])
  const now = engine.clock()
  return {
    jobId: id,
    attempt,
    pilotId: hold!.pilotId,
    sentAt: hold!.sentAt,
    startedAt: startedAt ? new Date(startedAt) : hold!.startedAt,
    endedAt: endedAt ? new Date(endedAt) : now,
    wallSeconds: usage?.wallSeconds ?? null,
    cpuSeconds: usage?.cpuSeconds ?? null,
    maxRssMb: usage?.maxRssMb ?? null,
    // The payload said so: nothing waits for longer than an address may hold.
    until: new Date(Math.min(Date.parse(until!), now.getTime() + maxCallbackSeconds * 1000)),
  }
}

/** What was posted ends the attempt of a locked job that is holding: its value is registered, or its error counts as any other of the user's. */
export const applyPosted = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  job: LockedJob,
  { value, error }: store.Posted,
): Promise<JobState | undefined> => {
  if (error !== null) {
    const errors = new Map([[job.id, JSON.parse(error) as RemoteError]])
    return (await failDeferred(engine, tx, effects, [job], errors, 'an error was posted to its callback'))[0]?.to
  }
  await endRows(tx, [job], 'finished', engine.clock())
  const result = { value, blob: null, bytes: null, cause: null, error: null }
  const why = 'its value was posted to its callback'
  const [moved] = await moveJobs(engine, tx, effects, [{ job, trigger: 'registered', why, result }])
  effects.ring(`log:${job.id}`)
  return moved?.to
}

/** Timers of these locked jobs ran out: nobody has posted. One that has ended meanwhile is let be. */
export const callbacksOver = async (engine: Engine, tx: Db, effects: Effects, jobs: LockedJob[]): Promise<void> => {
  const now = engine.clock()
  const rows = await store.deferredOf(
    tx,
    jobs.map((job) => job.id),
  )
  const over = rows.filter(({ until }) => until <= now)
  const errors = new Map(over.map((row) => [row.jobId, timeoutOf(row)]))
  const late = jobs.filter((job) => errors.has(job.id))
  await failDeferred(engine, tx, effects, late, errors, 'nothing was posted to its callback in time')
}

const timeoutOf = ({ jobId, attempt, until }: store.DeferredRow): RemoteError => ({
  type: 'CallbackTimeout',
  message: `nothing was posted to the callback of ${showId('j', jobId)} (attempt ${attempt}) until ${until.toISOString()}`,
})

const failDeferred = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  jobs: LockedJob[],
  errors: Map<number, RemoteError>,
  why: string,
): Promise<Moved[]> => {
  const pilots = await endRows(tx, jobs, 'failed', engine.clock(), (id) => errors.get(id)!)
  for (const { id: jobId, taskId, attempt } of jobs)
    if (pilots.has(jobId))
      effects.failed.push({
        ...{ taskId, jobId, attempt },
        pilotId: pilots.get(jobId)!,
        cause: 'user',
        error: errors.get(jobId)!,
      })
  effects.ring(...jobs.map((job) => `log:${job.id}` as const))
  const ends = new Map(jobs.map(({ id }) => [id, { cause: 'user' as const, error: errors.get(id)! }]))
  return moveEnded(engine, tx, effects, { jobs, ending: 'failed', why, ends })
}

/** Deferred jobs, locked, are cancelled at once: nobody is there who could confirm it. */
export const cancelDeferred = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  jobs: LockedJob[],
  why: string,
): Promise<Moved[]> => {
  await endRows(tx, jobs, 'cancelled', engine.clock(), () => ({ type: 'Cancelled', message: why }))
  effects.ring(...jobs.map((job) => `log:${job.id}` as const))
  return moveEnded(engine, tx, effects, { jobs, ending: 'cancelled', why })
}

const causes = { finished: null, failed: 'user', cancelled: 'cancelled' } as const

/** The rows of these deferred attempts become those of ended ones, and nothing watches them any more. Gives by which pilots they were. */
const endRows = async (
  tx: Db,
  jobs: LockedJob[],
  ending: keyof typeof causes,
  now: Date,
  errorOf?: (jobId: number) => RemoteError,
): Promise<Map<number, number>> => {
  if (jobs.length === 0) return new Map()
  const ids = jobs.map((job) => job.id)
  const rows = await store.deferredOf(tx, ids)
  await insertAttempts(
    tx,
    rows.map(({ until: _, ...row }) => ({
      ...row,
      ending,
      cause: causes[ending],
      error: errorOf ? JSON.stringify(errorOf(row.jobId)) : null,
      exitCode: null,
      signal: null,
    })),
    now,
  )
  await store.dropDeferred(tx, ids)
  await dropTimers(tx, 'callback', ids)
  return new Map(rows.map((row) => [row.jobId, row.pilotId]))
}
