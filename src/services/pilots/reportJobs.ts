import { fault } from '../../contract/faults.ts'
import type { Report, ReportsReply } from '../../contract/pilots.ts'
import { jobTable } from '../../domain/job/states.ts'
import { readId, showId } from '../../lib/ids.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import * as store from '../../store/jobs.ts'
import type { Principal } from '../access/authenticate.ts'
import { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { outcomeOf } from '../jobs/moveJobs.ts'
import { cancelWaitingOf } from '../steer/cancel.ts'
import { endAllOver, workflowsOfFunctions } from '../workflows/workflows.ts'
import { finishedRow } from './finishedRow.ts'
import { ownPilot, recoverLost } from './pilots.ts'
import { type Answer, reportByDoor } from './reportByDoor.ts'

const finishable = statesLeftBy(jobTable, 'succeeded')

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
  const plain = plainOf(reports)
  const moved = plain.length > 0 ? await finishPlain(engine, pilotId, epoch, plain) : new Set<string>()
  const rest = reports.filter((r) => !moved.has(r.jobId))
  const answers = rest.length > 0 ? await reportRest(engine, pilotId, epoch, rest) : noAnswers
  return {
    answers: reports.map((r) => answers.get(r) ?? { jobId: r.jobId, answer: 'moved', state: 'finished' }),
  }
}

const noAnswers: ReadonlyMap<Report, Answer> = new Map()

/** Good ends of jobs of which nothing else is said in this request. */
const plainOf = (reports: readonly Report[]): Report[] => {
  const times = new Map<string, number>()
  for (const { jobId } of reports) times.set(jobId, (times.get(jobId) ?? 0) + 1)
  return reports.filter(({ what, jobId }) => what === 'finished' && times.get(jobId) === 1)
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
  if (over.length > 0) await transact(engine, (tx, its) => endAllOver(engine, tx, its, over))
  engine.tell(effects)
  return new Set(done.map((job) => showId('j', job.id)))
}

/** What is stale only since its attempt was given up, while nobody has begun another, counts: its pilot has that attempt back first. */
const reportRest = async (
  engine: Engine,
  pilotId: number,
  epoch: number,
  reports: readonly Report[],
): Promise<ReadonlyMap<Report, Answer>> => {
  const { answers, givenUp, stopped } = await reportByDoor(engine, pilotId, epoch, reports)
  for (const [taskId, why] of stopped) await cancelWaitingOf(engine, taskId, why, 1)
  const back = await recoverLost(engine, pilotId, epoch, givenUp)
  if (back.size === 0) return answers
  const late = reports.filter((r) => back.has(readId('j', r.jobId)!))
  return new Map([...answers, ...(await reportByDoor(engine, pilotId, epoch, late)).answers])
}
