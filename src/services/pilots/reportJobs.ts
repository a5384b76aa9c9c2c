import { fault } from '../../contract/faults.ts'
import type { Report, ReportsReply } from '../../contract/pilots.ts'
import { stopsTask } from '../../domain/job/causes.ts'
import { hasEnded, type JobState, jobTable } from '../../domain/job/states.ts'
import { readId, showId } from '../../lib/ids.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import type { Db } from '../../store/db.ts'
import type { FinishedRow, LockedJob } from '../../store/jobs.ts'
import * as store from '../../store/jobs.ts'
import { dropHeld, heldOf, jobsTriedBy, setStarted } from '../../store/pilots.ts'
import { tasksIn } from '../../store/tasks.ts'
import type { Principal } from '../access/authenticate.ts'
import { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { deferJob } from '../jobs/deferred.ts'
import { type BadEnd, endAttempts } from '../jobs/endAttempts.ts'
import { moveJobs, outcomeOf } from '../jobs/moveJobs.ts'
import { cancelWaitingOf } from '../steer/cancel.ts'
import { stopTask, whyStopped } from '../steer/stopTask.ts'
import { endIfOver, workflowsOfFunctions } from '../workflows/workflows.ts'
import { mayGoOn, ownPilot, recoverLost } from './pilots.ts'

const finishable = statesLeftBy(jobTable, 'succeeded')

type Answer = ReportsReply['answers'][number]

/**
 * Registers what a pilot reports. Jobs that finished well and have no children go by one statement; all else goes by the door. A repeated or
 * late report is `stale`, which tells the pilot to forget the job: whatever is registered stays.
 */
export const reportJobs = async (
  engine: Engine,
  principal: Principal,
  pilotId: number,
  epoch: number,
  reports: readonly Report[],
): Promise<ReportsReply> => {
  await ownPilot(engine, principal, pilotId)
  checkContents(reports)
  const answers = new Map<string, Answer>()
  const plain = reports.filter((r) => r.what === 'finished')
  const moved = plain.length > 0 ? await finishPlain(engine, pilotId, epoch, plain) : new Set<string>()
  for (const jobId of moved) answers.set(jobId, { jobId: jobId as Answer['jobId'], answer: 'moved', state: 'finished' })
  const rest = reports.filter((r) => !(r.what === 'finished' && moved.has(r.jobId)))
  if (rest.length > 0)
    for (const answer of await reportRest(engine, pilotId, epoch, rest)) answers.set(answer.jobId, answer)
  return { answers: reports.map((r) => answers.get(r.jobId)!) }
}

const checkContents = (reports: readonly Report[]) => {
  for (const { jobId, what, value, until } of reports) {
    if (value && 'text' in value && (value.text.includes('\u0000') || !value.text.isWellFormed()))
      throw fault('invalid_text', `the value of ${jobId} holds a raw NUL or a lone surrogate`)
    if (what === 'deferred' && !until)
      throw fault('fields_disagree', `${jobId} is deferred: \`until\` says how long its value may take`)
  }
}

const finishPlain = async (
  engine: Engine,
  pilotId: number,
  epoch: number,
  reports: readonly Report[],
): Promise<Set<string>> => {
  const now = engine.clock()
  const rows = reports.map((r) => finishedRow(r, now)).sort((a, b) => a.jobId - b.jobId)
  const done = await store.finishJobs(engine.db, { rows, from: finishable, pilotId, epoch, now })
  if (done.length === 0) return new Set()
  const facts = await engine.tasks.get(new Set(done.map((d) => d.taskId)))
  const byId = new Map(rows.map((row) => [row.jobId, row]))
  const effects = new Effects()
  for (const job of done) {
    const task = facts.get(job.taskId)!
    const row = byId.get(job.id)!
    const outcome = outcomeOf(
      { ...job, attempt: row.attempt, state: 'finished' },
      { value: row.value, blob: row.blob, bytes: row.bytes, cause: null, error: null },
    )
    effects.outcomes.push({ workflowId: job.workflowId, parentJobId: task.parentJobId, outcome })
  }
  effects.ring('agent:fold', ...done.map((job) => `log:${job.id}` as const))
  const over = await workflowsOfFunctions(engine, facts.values())
  if (over.length > 0) await transact(engine, (tx, its) => endAll(engine, tx, its, over))
  engine.tell(effects)
  return new Set(done.map((job) => showId('j', job.id)))
}

/** Last in a transaction: workflows are locked after jobs and tasks. */
const endAll = async (engine: Engine, tx: Db, effects: Effects, workflowIds: number[]): Promise<void> => {
  for (const id of workflowIds.sort((a, b) => a - b)) await endIfOver(engine, tx, effects, id)
}

const finishedRow = (r: Report, now: Date): FinishedRow => ({
  jobId: readId('j', r.jobId)!,
  attempt: r.attempt,
  ...valueColumns(r),
  startedAt: r.startedAt ? new Date(r.startedAt) : null,
  endedAt: r.endedAt ? new Date(r.endedAt) : now,
  wallSeconds: r.usage?.wallSeconds ?? null,
  cpuSeconds: r.usage?.cpuSeconds ?? null,
  maxRssMb: r.usage?.maxRssMb ?? null,
})

/** A command has no value: it finishes with null. */
const valueColumns = ({ value }: Report) =>
  value && 'blob' in value
    ? { value: null, blob: value.blob, bytes: value.bytes }
    : { value: value?.text ?? 'null', blob: null, bytes: null }

/** What is stale only since its attempt was given up, while nobody has begun another, counts: its pilot has that attempt back first. */
const reportRest = async (
  engine: Engine,
  pilotId: number,
  epoch: number,
  reports: readonly Report[],
): Promise<Answer[]> => {
  const { answers, givenUp, stopped } = await reportByDoor(engine, pilotId, epoch, reports)
  for (const [taskId, why] of stopped) await cancelWaitingOf(engine, taskId, why, 1)
  const back = await recoverLost(engine, pilotId, epoch, givenUp)
  if (back.size === 0) return answers
  const late = reports.filter((r) => back.has(readId('j', r.jobId)!))
  const again = new Map((await reportByDoor(engine, pilotId, epoch, late)).answers.map((a) => [a.jobId, a]))
  return answers.map((answer) => again.get(answer.jobId) ?? answer)
}

/** After these the job may have come to its end. */
const ends = new Set<Report['what']>(['finished', 'deferred', 'failed', 'cancelled', 'returned'])

/** `stopped`: tasks whose other jobs would fail alike, and why. */
type ByDoor = { answers: Answer[]; givenUp: { jobId: number; attempt: number }[]; stopped: Map<number, string> }

/** Everything that is not the hot way, in one transaction, in the order of the reports. */
const reportByDoor = (engine: Engine, pilotId: number, epoch: number, reports: readonly Report[]): Promise<ByDoor> =>
  transact(engine, async (tx, effects) => {
    const ids = [...new Set(reports.map((r) => readId('j', r.jobId)!))]
    const lock = reports.some(({ what }) => ends.has(what)) ? store.lockFamilies : store.lockJobs
    const jobs = new Map((await lock(tx, ids)).map((job) => [job.id, job]))
    const holds = new Map((await heldOf(tx, ids)).map((h) => [h.jobId, h]))
    const had = await jobsTriedBy(
      tx,
      pilotId,
      ids.filter((id) => holds.get(id)?.pilotId !== pilotId),
    )
    const answers: Answer[] = []
    const givenUp: ByDoor['givenUp'] = []
    const stopped: ByDoor['stopped'] = new Map()
    const stopping = await stoppedBefore(tx, jobs, reports)
    for (const report of reports) {
      const job = jobs.get(readId('j', report.jobId)!)
      const hold = holds.get(readId('j', report.jobId)!)
      const isOurs = hold?.pilotId === pilotId && hold.epoch === epoch && hold.attempt === report.attempt
      // What comes back of a task that was just stopped is not begun again.
      const over = job && (stopped.get(job.taskId) ?? stopping.get(job.taskId))
      const known = over === undefined ? job : { ...job!, cancelAsked: true }
      const to = known && isOurs ? await apply(engine, tx, effects, pilotId, known, report, over) : undefined
      if (job && to) jobs.set(job.id, { ...job, state: to })
      if (job && to === 'failed' && report.cause && stopsTask(report.cause) && over === undefined)
        stopped.set(job.taskId, whyStopped(job.taskId, job.id, report.error))
      if (job && !hold && had.has(job.id) && mayGoOn(job) && job.attempt === report.attempt)
        givenUp.push({ jobId: job.id, attempt: job.attempt })
      // Of a job that it never had a pilot learns nothing, not even that there is one.
      const isKnown = job && (hold?.pilotId === pilotId || had.has(job.id))
      answers.push({
        jobId: report.jobId,
        answer: to ? 'moved' : isKnown ? 'stale' : 'unknown',
        state: to ?? (isKnown ? job.state : null),
      })
    }
    for (const [taskId, why] of [...stopped].sort(([a], [b]) => a - b))
      if (!(await stopTask(engine, tx, effects, taskId, why))) stopped.delete(taskId)
    const ended = [...jobs.values()].filter((job) => hasEnded(job.state)).map((job) => job.taskId)
    const facts = await engine.tasks.get(new Set(ended), tx)
    await endAll(engine, tx, effects, await workflowsOfFunctions(engine, facts.values()))
    return { answers, givenUp, stopped }
  })

/** Tasks that were stopped earlier, of those of which jobs come back, and what to say of that. */
const stoppedBefore = async (
  tx: Db,
  jobs: ReadonlyMap<number, LockedJob>,
  reports: readonly Report[],
): Promise<Map<number, string>> => {
  const back = reports.flatMap(({ what, jobId }) => {
    const job = what === 'returned' ? jobs.get(readId('j', jobId)!) : undefined
    return job ? [job.taskId] : []
  })
  if (back.length === 0) return new Map()
  const rows = await tasksIn(tx, [...new Set(back)], 'finishing')
  return new Map(rows.map(({ id }) => [id, `${showId('t', id)} was stopped: culm explain ${showId('t', id)}`]))
}

/** The state after the report; undefined when it was stale. `over`: why its task was stopped. */
const apply = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  pilotId: number,
  job: LockedJob,
  report: Report,
  over?: string,
): Promise<JobState | undefined> => {
  switch (report.what) {
    case 'starting':
      return moveOne(engine, tx, effects, job, 'staging')
    case 'running': {
      if (report.startedAt) await setStarted(tx, [{ jobId: job.id, startedAt: new Date(report.startedAt) }])
      return moveOne(engine, tx, effects, job, 'started')
    }
    case 'awaiting':
      return moveOne(engine, tx, effects, job, 'awaits')
    case 'woken':
      return wake(engine, tx, effects, pilotId, job)
    case 'finished':
      return finish(engine, tx, effects, pilotId, job, report)
    case 'deferred':
      return deferJob(engine, tx, effects, job, report)
    case 'failed':
    case 'cancelled':
    case 'returned': {
      effects.ring(`log:${job.id}`)
      const why = report.error?.message ?? over ?? (report.what === 'returned' ? 'its pilot gave it back' : report.what)
      const ended = await endAttempts(engine, tx, effects, {
        jobs: [job],
        ending: report.what,
        why,
        ends: new Map([[job.id, badEnd(report)]]),
        heldBy: pilotId,
      })
      return ended > 0 ? ((await store.lockJobs(tx, [job.id]))[0]?.state ?? undefined) : undefined
    }
  }
}

const moveOne = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  job: LockedJob,
  trigger: 'staging' | 'started' | 'awaits',
): Promise<JobState | undefined> => (await moveJobs(engine, tx, effects, [{ job, trigger }]))[0]?.to

/** What it awaited has come: it waits for a slot in the lane of its own pilot. */
const wake = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  pilotId: number,
  job: LockedJob,
): Promise<JobState | undefined> => {
  const [moved] = await moveJobs(engine, tx, effects, [{ job, trigger: 'woken' }])
  if (!moved) return undefined
  const laneId = await engine.lanes.resumeLane(pilotId, 0)
  await store.insertResume(tx, [{ laneId, jobId: job.id }])
  effects.afterwards(() => engine.lanes.enqueued(laneId, 0), `lane:${laneId}`)
  return moved.to
}

const finish = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  pilotId: number,
  job: LockedJob,
  report: Report,
): Promise<JobState | undefined> => {
  const now = engine.clock()
  const row = finishedRow(report, now)
  const [hold] = await heldOf(tx, [job.id])
  const [moved] = await moveJobs(engine, tx, effects, [
    {
      job,
      trigger: 'succeeded',
      result: { value: row.value, blob: row.blob, bytes: row.bytes, cause: null, error: null },
    },
  ])
  if (!moved) return undefined
  const ended = { cause: null, error: null, exitCode: null, signal: null }
  await store.insertAttempts(tx, [{ ...row, ...ended, ending: 'finished', pilotId, sentAt: hold!.sentAt }], now)
  await dropHeld(tx, [job.id])
  effects.ring(`log:${job.id}`)
  return moved.to
}

const badEnd = (r: Report): BadEnd => ({
  cause: r.cause ?? (r.what === 'cancelled' ? 'cancelled' : 'user'),
  error: r.error ?? null,
  exitCode: r.exitCode,
  signal: r.signal,
  startedAt: r.startedAt ? new Date(r.startedAt) : undefined,
  endedAt: r.endedAt ? new Date(r.endedAt) : undefined,
  ...r.usage,
})
