import type { RemoteError } from '../../contract/jobs.ts'
import type { AttemptCause, AttemptEnd } from '../../domain/job/causes.ts'
import { decideRetry } from '../../policy/retry/decide.ts'
import type { Db } from '../../store/db.ts'
import type { LockedJob } from '../../store/jobs.ts'
import * as store from '../../store/jobs.ts'
import { dropHeld, heldOf } from '../../store/pilots.ts'
import type { TaskFacts } from '../../store/tasks.ts'
import { setTimers } from '../../store/timers.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { attemptLimits } from './attemptLimits.ts'
import { askForMore } from './moreMemory.ts'
import { cancelledResult, errorText, type Happening, type Moved, moveJobs } from './moveJobs.ts'

export type BadEnding = Exclude<AttemptEnd, 'finished'>

/** How one attempt ended, other than well. */
export type BadEnd = {
  cause: AttemptCause
  error: RemoteError | null
  /** What is said of it, where that is not the same for all that end together. */
  why?: string
  exitCode?: number
  signal?: string
  startedAt?: Date
  endedAt?: Date
  wallSeconds?: number
  cpuSeconds?: number
  maxRssMb?: number
}

/**
 * Ends attempts (the locks of their jobs are held) that were lost, returned or cancelled, or that failed in the way `ends` tells: keeps the attempt, frees
 * the holder, and lets `policy/retry` say what becomes of the job. `heldBy` leaves alone what another pilot has by now.
 */
export const endAttempts = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  {
    jobs,
    ending,
    why,
    ends,
    heldBy,
  }: {
    jobs: LockedJob[]
    ending: BadEnding
    why: string
    ends?: Map<number, BadEnd>
    heldBy?: number
  },
): Promise<Moved[]> => {
  if (jobs.length === 0) return []
  const holds = new Map(
    (
      await heldOf(
        tx,
        jobs.map((j) => j.id),
      )
    )
      .filter((h) => heldBy === undefined || h.pilotId === heldBy)
      .map((h) => [h.jobId, h]),
  )
  const ours = jobs.filter((job) => holds.get(job.id)?.attempt === job.attempt)
  if (ours.length === 0) return []
  const now = engine.clock()
  const errorOf = ({ id }: LockedJob): RemoteError =>
    ends?.get(id)?.error ?? { type: typeOf[ending], message: ends?.get(id)?.why ?? why }
  await store.insertAttempts(
    tx,
    ours.map((job) => {
      const { pilotId, sentAt, startedAt } = holds.get(job.id)!
      const end = ends?.get(job.id)
      return {
        jobId: job.id,
        attempt: job.attempt,
        ending,
        pilotId,
        sentAt,
        startedAt: end?.startedAt ?? startedAt,
        endedAt: end?.endedAt ?? now,
        cause: causeOf(ending, end),
        error: JSON.stringify(errorOf(job)),
        exitCode: end?.exitCode ?? null,
        signal: end?.signal ?? null,
        wallSeconds: end?.wallSeconds ?? null,
        cpuSeconds: end?.cpuSeconds ?? null,
        maxRssMb: end?.maxRssMb ?? null,
      }
    }),
    now,
  )
  if (ending === 'failed' || ending === 'lost')
    for (const job of ours) {
      const { id: jobId, taskId, attempt } = job
      const cause = causeOf(ending, ends?.get(jobId)) ?? 'lost'
      effects.failed.push({ taskId, jobId, attempt, pilotId: holds.get(jobId)!.pilotId, cause, error: errorOf(job) })
    }
  await dropHeld(
    tx,
    ours.map((j) => j.id),
  )
  return moveEnded(engine, tx, effects, { jobs: ours, ending, why, ends })
}

/** What becomes of jobs whose attempts have just ended in one of these ways: `policy/retry` says. */
export const moveEnded = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { jobs, ending, why, ends }: { jobs: LockedJob[]; ending: BadEnding; why: string; ends?: Map<number, BadEnd> },
): Promise<Moved[]> => {
  const happenings = await whatFollows(engine, tx, jobs, ending, why, ends)
  const again = happenings.filter((h) => h.heldBy === 'timer') as Waiting[]
  const short = again.filter(({ job }) => ends?.get(job.id)?.cause === 'memory')
  const more = await askForMore(
    engine,
    tx,
    short.map(({ job }) => job),
  )
  for (const waiting of short) if (more.has(waiting.job.id)) waiting.why += `; ${more.get(waiting.job.id)}`
  const moved = await moveJobs(engine, tx, effects, happenings)
  await keepTimers(tx, effects, again, engine.clock())
  return moved
}

const typeOf = { lost: 'Lost', returned: 'Returned', cancelled: 'Cancelled', failed: 'Failed' } as const

const causeOf = (ending: string, end: BadEnd | undefined): AttemptCause | null => {
  if (ending === 'lost') return 'lost'
  if (ending === 'cancelled') return 'cancelled'
  return end?.cause ?? null
}

type Waiting = Happening & { waitSeconds: number }

const whatFollows = async (
  engine: Engine,
  tx: Db,
  jobs: LockedJob[],
  ending: BadEnding,
  whyAll: string,
  ends?: Map<number, BadEnd>,
): Promise<Happening[]> => {
  const facts = await engine.tasks.get(new Set(jobs.map((j) => j.taskId)), tx)
  const spent = new Map<number, Partial<Record<AttemptCause, number>>>()
  if (ending === 'lost' || ending === 'failed')
    for (const { jobId, cause, n } of await store.causesSoFar(
      tx,
      jobs.map((j) => j.id),
    ))
      spent.set(jobId, { ...spent.get(jobId), [cause]: n })
  return jobs.map((job): Happening => {
    const why = ends?.get(job.id)?.why ?? whyAll
    // Who asked to cancel a job wants no further attempt of it, however this one ended.
    if (ending === 'cancelled' || job.cancelAsked)
      return { job, trigger: 'cancelConfirmed', why, result: cancelledResult(why) }
    if (ending === 'returned') return { job, trigger: 'returned', why }
    return afterFailure(
      job,
      facts.get(job.taskId)!,
      ends?.get(job.id) ?? { cause: 'lost', error: null },
      spent.get(job.id) ?? {},
      why,
    )
  })
}

const afterFailure = (
  job: LockedJob,
  task: TaskFacts,
  end: BadEnd,
  soFar: Partial<Record<AttemptCause, number>>,
  why: string,
): Happening => {
  const decision = decideRetry({
    cause: end.cause,
    soFar,
    limits: attemptLimits(task),
  })
  if (decision.kind === 'giveUp') {
    const error = end.error ? JSON.stringify(end.error) : errorText('Lost', why)
    return {
      job,
      trigger: 'gaveUp',
      why: decision.why,
      result: { value: null, blob: null, bytes: null, cause: end.cause, error },
    }
  }
  if (end.cause === 'lost') return { job, trigger: 'lost', why: decision.why }
  const waiting: Waiting = {
    job,
    trigger: 'willRetry',
    why: decision.why,
    heldBy: 'timer',
    waitSeconds: decision.waitSeconds,
  }
  return waiting
}

const keepTimers = async (tx: Db, effects: Effects, waiting: Waiting[], now: Date) => {
  if (waiting.length === 0) return
  await setTimers(
    tx,
    waiting.map(({ job, waitSeconds, why }) => ({
      kind: 'backOff',
      id: job.id,
      at: new Date(now.getTime() + waitSeconds * 1000),
      why: why ?? '',
    })),
  )
  effects.ring('agent:timers')
}

/** Whether a job that nobody holds is where a loss leaves it. */
export const mayGoOn = (job: LockedJob): boolean =>
  job.state === 'activated' && (job.heldBy === null || job.heldBy === 'pause')
