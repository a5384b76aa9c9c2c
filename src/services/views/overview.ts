import { type Overview, overviewMinutes } from '../../contract/overview.ts'
import {
  type EndsOfMinute,
  endsByMinute,
  jobsOfExperiment,
  type Part,
  workflowsOfOverview,
} from '../../store/overview.ts'
import { suspectPilots, workflowViews } from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { listQueues, showPilot } from './places.ts'
import { showCounts, showWorkflow } from './workflows.ts'

const minuteMs = 60_000

/** So many silent pilots at most. */
const mostSuspects = 20

/** Many look at the same page: an answer is given again until a frame says that there is more to see, and for so long at most, ms. */
const keptMs = 1000

const kept = new WeakMap<Engine, Map<number, { at: number; frame: number; answer: Promise<Overview> }>>()

/** The overview, made once for all who look at an experiment. */
export const sharedOverview = (engine: Engine, principal: Principal): Promise<Overview> => {
  const now = engine.clock().getTime()
  const byExperiment = kept.get(engine) ?? new Map()
  kept.set(engine, byExperiment)
  const experimentId = experimentOf(principal)
  const known = byExperiment.get(experimentId)
  const frame = engine.viewers.sentOf(experimentId)
  if (known && known.frame === frame && now - known.at < keptMs) return known.answer
  const answer = overview(engine, principal)
  byExperiment.set(experimentId, { at: now, frame, answer })
  answer.catch(() => byExperiment.delete(experimentId))
  return answer
}

/** What runs, waits and went wrong, in one answer: counters and what the folds have left. */
export const overview = async (engine: Engine, principal: Principal): Promise<Overview> => {
  const experimentId = experimentOf(principal)
  const now = engine.clock()
  const from = new Date((Math.floor(now.getTime() / minuteMs) - overviewMinutes + 1) * minuteMs)
  const [jobs, ends, queues, suspects, workflows] = await Promise.all([
    jobsOfExperiment(engine.db, experimentId),
    endsByMinute(engine.db, experimentId, from),
    listQueues(engine),
    suspectPilots(engine.db, mostSuspects),
    workflowsOf(engine, experimentId),
  ])
  return {
    at: now.toISOString(),
    jobs: showCounts(Object.fromEntries(jobs.map(({ state, jobs }) => [state, jobs]))),
    minutes: { from: from.toISOString(), ...seriesOf(ends, from) },
    queues: queues.items,
    suspects: suspects.map(showPilot),
    ...workflows,
  }
}

/** A job that runs again is taken back from the minute in which it had ended: less than nothing is nothing. */
const seriesOf = (ends: EndsOfMinute[], from: Date) => {
  const byMinute = new Map(ends.map((row) => [(row.at.getTime() - from.getTime()) / minuteMs, row]))
  const each = (of: (row: EndsOfMinute) => number) =>
    Array.from({ length: overviewMinutes }, (_, i) => Math.max(0, byMinute.has(i) ? of(byMinute.get(i)!) : 0))
  return { finished: each((row) => row.finished), failed: each((row) => row.failed) }
}

const workflowsOf = async ({ db }: Engine, experimentId: number) => {
  const parts = await workflowsOfOverview(db, experimentId)
  const rows = await workflowViews(db, [...new Set(parts.map(({ id }) => id))])
  const byId = new Map(rows.map((row) => [row.id, showWorkflow(row)]))
  const those = (wanted: Part) =>
    parts.filter(({ id, part }) => part === wanted && byId.has(id)).map(({ id }) => byId.get(id)!)
  return { active: those('active'), ended: those('ended'), failing: those('failing') }
}
