import type { Report, ReportsReply } from '../../contract/pilots.ts'
import { stopsTask } from '../../domain/job/causes.ts'
import { hasEnded, type JobState } from '../../domain/job/states.ts'
import { readId, showId } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import type { LockedJob } from '../../store/jobs.ts'
import * as store from '../../store/jobs.ts'
import { dropHeld, type HoldRow, heldOf, jobsTriedBy, setStarted } from '../../store/pilots.ts'
import { tasksIn } from '../../store/tasks.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { deferJob } from '../jobs/deferred.ts'
import { type BadEnd, endAttempts, mayGoOn } from '../jobs/endAttempts.ts'
import { type Moved, moveJobs } from '../jobs/moveJobs.ts'
import { stopTask, whyStopped } from '../steer/stopTask.ts'
import { endAllOver, workflowsOfFunctions } from '../workflows/workflows.ts'
import { finishedRow } from './finishedRow.ts'

export type Answer = ReportsReply['answers'][number]

/** `stopped`: tasks whose other jobs would fail alike, and why. `givenUp`: attempts that nobody holds, and nobody has begun again. */
export type ByDoor = {
  answers: Map<Report, Answer>
  givenUp: { jobId: number; attempt: number }[]
  stopped: Map<number, string>
}

/** What a transaction knows of the jobs that are reported, all of them locked; kept up with what it does. */
type Book = {
  pilotId: number
  epoch: number
  jobs: Map<number, LockedJob>
  holds: Map<number, HoldRow>
  /** Those of which this pilot has ended an attempt before. */
  had: Set<number>
  /** Tasks that were stopped before, and why. */
  stopping: Map<number, string>
  stopped: Map<number, string>
}

/** A report, and the job that it is about. `over`: why its task was stopped. */
type Reported = { report: Report; job: LockedJob; over?: string }

/**
 * Everything that is not the hot way, in one transaction, and in sets, so that a thousand reports take as many statements as one: each round has one report of a job at most, in the
 * order in which they came, and goes through them kind by kind.
 */
export const reportByDoor = (
  engine: Engine,
  pilotId: number,
  epoch: number,
  reports: readonly Report[],
): Promise<ByDoor> =>
  transact(engine, async (tx, effects) => {
    const book = await openBook(engine, tx, pilotId, epoch, reports)
    const givenUp = givenUpOf(book, reports)
    const answers: ByDoor['answers'] = new Map()
    for (const round of roundsOf(reports)) {
      const moved = await applyRound(engine, tx, effects, book, round)
      for (const report of round) answers.set(report, answerTo(book, report, moved))
    }
    for (const [taskId, why] of [...book.stopped].sort(([a], [b]) => a - b))
      if (!(await stopTask(engine, tx, effects, taskId, why))) book.stopped.delete(taskId)
    const ended = [...book.jobs.values()].filter((job) => hasEnded(job.state)).map((job) => job.taskId)
    const facts = await engine.tasks.get(new Set(ended), tx)
    await endAllOver(engine, tx, effects, await workflowsOfFunctions(engine, facts.values()))
    return { answers, givenUp, stopped: book.stopped }
  })

/** After these the job may have come to its end, and its pilot has it no more. */
const ends = new Set<Report['what']>(['finished', 'deferred', 'failed', 'cancelled', 'returned'])

const openBook = async (
  engine: Engine,
  tx: Db,
  pilotId: number,
  epoch: number,
  reports: readonly Report[],
): Promise<Book> => {
  const ids = [...new Set(reports.map(jobIdOf))]
  const locked = reports.some(({ what }) => ends.has(what))
    ? await store.lockFamilies(tx, ids, engine.limits.jobsAtOnce)
    : await store.lockJobs(tx, ids)
  const jobs = new Map(locked.map((job) => [job.id, job]))
  const holds = new Map((await heldOf(tx, ids)).map((h) => [h.jobId, h]))
  const had = await jobsTriedBy(
    tx,
    pilotId,
    ids.filter((id) => holds.get(id)?.pilotId !== pilotId),
  )
  return { pilotId, epoch, jobs, holds, had, stopping: await stoppedBefore(tx, jobs, reports), stopped: new Map() }
}

const jobIdOf = ({ jobId }: Report): number => readId('j', jobId)!

/** Tasks that were stopped earlier, of those of which jobs come back, and what to say of that. */
const stoppedBefore = async (
  tx: Db,
  jobs: ReadonlyMap<number, LockedJob>,
  reports: readonly Report[],
): Promise<Map<number, string>> => {
  const back = reports.flatMap((report) => {
    const job = report.what === 'returned' ? jobs.get(jobIdOf(report)) : undefined
    return job ? [job.taskId] : []
  })
  if (back.length === 0) return new Map()
  const rows = await tasksIn(tx, [...new Set(back)], 'finishing')
  return new Map(rows.map(({ id }) => [id, `${showId('t', id)} was stopped: culm explain ${showId('t', id)}`]))
}

/** The first reports of all jobs, then the second ones, and so on. */
const roundsOf = (reports: readonly Report[]): Report[][] => {
  const rounds: Report[][] = []
  const seen = new Map<string, number>()
  for (const report of reports) {
    const n = seen.get(report.jobId) ?? 0
    seen.set(report.jobId, n + 1)
    rounds[n] ??= []
    rounds[n].push(report)
  }
  return rounds
}

/** Failures that stop their task come before what else comes back of it, which is not begun again then. */
const order = [
  'starting',
  'running',
  'awaiting',
  'woken',
  'finished',
  'deferred',
  'stops',
  'failed',
  'cancelled',
  'returned',
] as const
type Kind = (typeof order)[number]

const kindOf = ({ what, cause }: Report): Kind => (what === 'failed' && cause && stopsTask(cause) ? 'stops' : what)

/** The states of those that moved. What is not this pilot's by now stays as it is. */
const applyRound = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  book: Book,
  round: readonly Report[],
): Promise<Map<number, JobState>> => {
  const states = new Map<number, JobState>()
  const ours = round.filter((report) => isOurs(book, report))
  for (const kind of order) {
    const some = ours.filter((report) => kindOf(report) === kind).map((report) => reportedOf(book, report))
    if (some.length === 0) continue
    for (const [jobId, state] of await apply(engine, tx, effects, book, kind, some)) {
      states.set(jobId, state)
      book.jobs.set(jobId, { ...book.jobs.get(jobId)!, state })
      if (ends.has(some[0]!.report.what)) noteEnded(book, jobId)
    }
    if (kind === 'stops') noteStopped(book, some)
  }
  return states
}

const noteEnded = ({ holds, had }: Book, jobId: number): void => {
  holds.delete(jobId)
  had.add(jobId)
}

const isOurs = ({ pilotId, epoch, jobs, holds }: Book, report: Report): boolean => {
  const hold = holds.get(jobIdOf(report))
  return (
    jobs.has(jobIdOf(report)) && hold?.pilotId === pilotId && hold.epoch === epoch && hold.attempt === report.attempt
  )
}

/** Of a task that was stopped nothing that comes back is begun again. */
const reportedOf = ({ jobs, stopped, stopping }: Book, report: Report): Reported => {
  const job = jobs.get(jobIdOf(report))!
  const over = stopped.get(job.taskId) ?? stopping.get(job.taskId)
  return over === undefined ? { report, job } : { report, job: { ...job, cancelAsked: true }, over }
}

const noteStopped = ({ jobs, stopped }: Book, some: readonly Reported[]): void => {
  for (const { report, job, over } of some)
    if (over === undefined && !stopped.has(job.taskId) && jobs.get(job.id)!.state === 'failed')
      stopped.set(job.taskId, whyStopped(job.taskId, job.id, report.error))
}

/** Of a job that it never had a pilot learns nothing, not even that there is one. */
const answerTo = ({ pilotId, jobs, holds, had }: Book, report: Report, moved: Map<number, JobState>): Answer => {
  const id = jobIdOf(report)
  const [job, to] = [jobs.get(id), moved.get(id)]
  const isKnown = job && (holds.get(id)?.pilotId === pilotId || had.has(id))
  return {
    jobId: report.jobId,
    answer: to ? 'moved' : isKnown ? 'stale' : 'unknown',
    state: to ?? (isKnown ? job.state : null),
  }
}

const givenUpOf = ({ jobs, holds, had }: Book, reports: readonly Report[]): ByDoor['givenUp'] =>
  reports.flatMap((report) => {
    const job = jobs.get(jobIdOf(report))
    if (!job || holds.has(job.id) || !had.has(job.id) || !mayGoOn(job) || job.attempt !== report.attempt) return []
    return [{ jobId: job.id, attempt: job.attempt }]
  })

/** The states after reports of one kind; what the table of states does not know is stale, and left out. */
const apply = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  book: Book,
  kind: Kind,
  some: Reported[],
): Promise<Map<number, JobState>> => {
  switch (kind) {
    case 'starting':
      return statesOf(await moveAll(engine, tx, effects, some, 'staging'))
    case 'running':
      await noteStarts(tx, some)
      return statesOf(await moveAll(engine, tx, effects, some, 'started'))
    case 'awaiting':
      return statesOf(await moveAll(engine, tx, effects, some, 'awaits'))
    case 'woken':
      return statesOf(await wake(engine, tx, effects, book.pilotId, some))
    case 'finished':
      return statesOf(await finish(engine, tx, effects, book, some))
    case 'deferred':
      return defer(engine, tx, effects, some)
    case 'stops':
      return statesOf(await endBadly(engine, tx, effects, book.pilotId, 'failed', some))
    case 'failed':
    case 'cancelled':
    case 'returned':
      return statesOf(await endBadly(engine, tx, effects, book.pilotId, kind, some))
  }
}

const statesOf = (moved: Moved[]): Map<number, JobState> => new Map(moved.map((m) => [m.happening.job.id, m.to]))

const moveAll = (
  engine: Engine,
  tx: Db,
  effects: Effects,
  some: readonly Reported[],
  trigger: 'staging' | 'started' | 'awaits' | 'woken',
): Promise<Moved[]> =>
  moveJobs(
    engine,
    tx,
    effects,
    some.map(({ job }) => ({ job, trigger })),
  )

const noteStarts = async (tx: Db, some: readonly Reported[]): Promise<void> => {
  const starts = some.flatMap(({ report: { startedAt }, job }) =>
    startedAt ? [{ jobId: job.id, startedAt: new Date(startedAt) }] : [],
  )
  if (starts.length > 0) await setStarted(tx, starts)
}

/** What they awaited has come: they wait for a slot in the lane of their own pilot. */
const wake = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  pilotId: number,
  some: readonly Reported[],
): Promise<Moved[]> => {
  const moved = await moveAll(engine, tx, effects, some, 'woken')
  if (moved.length === 0) return moved
  const laneId = await engine.lanes.resumeLane(pilotId, 0)
  await store.insertResume(
    tx,
    moved.map(({ happening: { job } }) => ({ laneId, jobId: job.id })),
  )
  effects.afterwards(() => engine.lanes.enqueued(laneId, 0), `lane:${laneId}`)
  return moved
}

const finish = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  { pilotId, holds }: Book,
  some: readonly Reported[],
): Promise<Moved[]> => {
  const now = engine.clock()
  const rows = new Map(some.map(({ report, job }) => [job.id, finishedRow(report, now)]))
  const moved = await moveJobs(
    engine,
    tx,
    effects,
    some.map(({ job }) => {
      const { value, blob, bytes } = rows.get(job.id)!
      return { job, trigger: 'succeeded', result: { value, blob, bytes, cause: null, error: null } }
    }),
  )
  if (moved.length === 0) return moved
  const ids = moved.map(({ happening: { job } }) => job.id)
  const well = { ending: 'finished', cause: null, error: null, exitCode: null, signal: null } as const
  await store.insertAttempts(
    tx,
    ids.map((id) => ({ ...rows.get(id)!, ...well, pilotId, sentAt: holds.get(id)!.sentAt })),
    now,
  )
  await dropHeld(tx, ids)
  effects.ring(...ids.map((id) => `log:${id}` as const))
  return moved
}

const defer = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  some: readonly Reported[],
): Promise<Map<number, JobState>> => {
  const states = new Map<number, JobState>()
  for (const { report, job } of some) {
    const to = await deferJob(engine, tx, effects, job, report)
    if (to) states.set(job.id, to)
  }
  return states
}

const endBadly = (
  engine: Engine,
  tx: Db,
  effects: Effects,
  pilotId: number,
  ending: 'failed' | 'cancelled' | 'returned',
  some: readonly Reported[],
): Promise<Moved[]> => {
  effects.ring(...some.map(({ job }) => `log:${job.id}` as const))
  return endAttempts(engine, tx, effects, {
    jobs: some.map(({ job }) => job),
    ending,
    why: ending === 'returned' ? 'its pilot gave it back' : ending,
    ends: new Map(some.map((reported) => [reported.job.id, badEnd(reported)])),
    heldBy: pilotId,
  })
}

const badEnd = ({ report: r, over }: Reported): BadEnd => ({
  cause: r.cause ?? (r.what === 'cancelled' ? 'cancelled' : 'user'),
  error: r.error ?? null,
  why: r.error?.message ?? over,
  exitCode: r.exitCode,
  signal: r.signal,
  startedAt: r.startedAt ? new Date(r.startedAt) : undefined,
  endedAt: r.endedAt ? new Date(r.endedAt) : undefined,
  ...r.usage,
})
