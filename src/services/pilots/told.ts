import type { z } from 'zod'
import { fault } from '../../contract/faults.ts'
import { sentNumber } from '../../contract/sentNumber.ts'
import {
  type Course,
  type CoursePoint,
  type courses,
  type MetricLine,
  maxCourses,
  type metricPage,
  type metricQuery,
  type TaskMetric,
  type ToldCourse,
  type ToldMetric,
  type ToldProgress,
  type taskMetricQuery,
  type told,
} from '../../contract/told.ts'
import { hasEnded } from '../../domain/job/states.ts'
import { readId, showId } from '../../lib/ids.ts'
import * as store from '../../store/told.ts'
import { jobLineById } from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { seeJob } from '../views/jobs.ts'
import { largestInteger, pageOf, readAfter, readKeys, showKeys } from '../views/pages.ts'
import { seeTask } from '../views/tasks.ts'
import { livingPilot } from './pilots.ts'

/** Keeps what jobs of this pilot said of themselves. `kept` is less than was sent when some is of attempts that are not its. */
export const keepTold = async (
  engine: Engine,
  principal: Principal,
  pilotId: number,
  { epoch, metrics, progress, courses }: z.output<typeof told>,
): Promise<{ kept: number }> => {
  await livingPilot(engine, principal, pilotId, epoch)
  const points = lastOf(metrics.map(metricRow), (row) => JSON.stringify([row.jobId, row.attempt, row.name, row.step]))
  const stands = lastOf(progress.map(progressRow), (row) => String(row.jobId))
  const used = lastOf(courses.map(courseRow), attemptKey)
  const kept = await transact(engine, async (tx, effects) => {
    await store.neverWait(tx)
    const attempts = lastOf([...points, ...stands, ...used], attemptKey)
    const heard = new Set((await store.speaksFor(tx, pilotId, attempts)).map(attemptKey))
    const isHeard = (row: Attempt) => heard.has(attemptKey(row))
    const now = engine.clock()
    effects.ring(...[...points, ...stands].filter(isHeard).map(({ jobId }) => `told:${jobId}` as const))
    return (
      (await store.upsertMetrics(tx, points.filter(isHeard), now)) +
      (await store.upsertProgress(tx, stands.filter(isHeard), now)) +
      (await store.upsertCourses(tx, used.filter(isHeard), now))
    )
  })
  return { kept }
}

type Attempt = { jobId: number; attempt: number }

const attemptKey = ({ jobId, attempt }: Attempt): string => `${jobId}:${attempt}`

/** Of those that mean the same, the last. */
const lastOf = <T>(rows: readonly T[], keyOf: (row: T) => string): T[] => [
  ...new Map(rows.map((row) => [keyOf(row), row])).values(),
]

const metricRow = ({ jobId, value, ...rest }: ToldMetric): store.MetricRow => ({
  jobId: readId('j', jobId)!,
  value: Number(value),
  ...rest,
})

const progressRow = ({ jobId, attempt, done, total, text }: ToldProgress): store.ProgressRow => ({
  jobId: readId('j', jobId)!,
  attempt,
  done,
  total: total ?? null,
  text: text ?? null,
})

const courseRow = ({ jobId, attempt, points }: ToldCourse): store.CourseRow => ({
  jobId: readId('j', jobId)!,
  attempt,
  points: JSON.stringify(points.map(shortPoint)),
})

/** As exact as anybody sees it. */
const shortPoint = ([seconds, memoryMb, cores]: CoursePoint) => [
  rounded(seconds, 10),
  rounded(memoryMb, 10),
  rounded(cores, 1000),
]

const rounded = (value: number, parts: number): number => Math.round(value * parts) / parts

/**
 * Metrics of a job after `after`, waiting for more when there is nothing yet and it still runs. Names come in order, so who follows a job as it goes asks for one of
 * its metrics. `ended` says that nothing more will come.
 */
export const readMetrics = async (
  engine: Engine,
  principal: Principal,
  jobId: number,
  { after, limit, name, attempt, waitSeconds }: z.output<typeof metricQuery>,
  signal: AbortSignal,
): Promise<z.output<typeof metricPage>> => {
  await seeJob(engine, principal, jobId)
  const place = placeOf(after, name)
  const wanted = { jobId, after: place, lastName: name ?? store.lastName, attempt: attempt ?? null, limit }
  const until = engine.clock().getTime() + waitSeconds * 1000
  let quiet = waitSeconds === 0
  for (;;) {
    const { rung, cancel } = engine.bell.arm([`told:${jobId}`])
    try {
      // The state first: what was told before the end is then in the rows that follow.
      const { state } = (await jobLineById(engine.db, jobId))!
      const rows = await store.metricsAfter(engine.db, wanted)
      const left = until - engine.clock().getTime()
      // The last of it comes a moment after the report of the end, which does not wait for it.
      const ended = hasEnded(state) && rows.length === 0 && quiet
      quiet = hasEnded(state)
      const { name, step } = rows.at(-1) ?? place
      if (rows.length > 0 || ended || left <= 0 || signal.aborted)
        return { items: rows.map(metricLine), next: showKeys([name, step]), ended }
      await engine.wait(rung, Math.min(left, 1000), signal)
    } finally {
      cancel()
    }
  }
}

/** Where to go on; of one metric no earlier than at its begin. */
const placeOf = (after: string | undefined, name = ''): store.MetricPlace => {
  if (after === undefined) return { name, step: -1 }
  const [last, step] = readKeys(after)
  if (typeof last !== 'string' || typeof step !== 'number' || !Number.isSafeInteger(step) || last.includes('\0'))
    throw fault('invalid_cursor', `"${after.slice(0, 40)}" is not a cursor of this list`)
  return name !== '' && last !== name ? { name, step: -1 } : { name: last, step }
}

const metricLine = ({ value, at, ...row }: store.MetricLineRow): MetricLine => ({
  ...row,
  value: sentNumber(value),
  at: at.toISOString(),
})

export const taskMetrics = async (
  engine: Engine,
  principal: Principal,
  taskId: number,
  { after, limit, name }: z.output<typeof taskMetricQuery>,
) => {
  await seeTask(engine, principal, taskId)
  const afterIndex = readAfter(after, -1, largestInteger)
  const rows = await store.lastMetrics(engine.db, { taskId, name, afterIndex, limit: limit + 1 })
  return pageOf(rows, limit, (row) => row.index, taskMetric)
}

const taskMetric = ({ index, jobId, step, value, attempt, at }: store.LastMetricRow): TaskMetric => ({
  index,
  jobId: showId('j', jobId),
  last: at && { step: step!, value: sentNumber(value!), attempt: attempt!, at: at.toISOString() },
})

/** So long what attempts used over time can be looked at, ms. */
const coursesKeptMs = 30 * 86_400_000

export const jobResources = async (
  engine: Engine,
  principal: Principal,
  jobId: number,
): Promise<z.output<typeof courses>> => {
  await seeJob(engine, principal, jobId)
  const rows = await store.coursesOf(engine.db, jobId, maxCourses)
  return { items: rows.reverse().map(({ attempt, points }) => ({ attempt, points: coursePoints(points) })) }
}

const coursePoints = (points: string): Course['points'] =>
  (JSON.parse(points) as CoursePoint[]).map(([seconds, memoryMb, cores]) => ({ seconds, memoryMb, cores }))

export const forgetCourses = (engine: Engine) =>
  store.forgetCourses(engine.db, new Date(engine.clock().getTime() - coursesKeptMs))
