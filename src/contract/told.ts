import { z } from 'zod'
import { at, attempt, epoch, jobId, name, wellFormed } from './base.ts'

/** What a job says of itself while it runs: metrics, which are numbers by name at a step, and its progress; and what its pilot sees it use meanwhile. */

/** Fifteen digits: a `bigint` of the database that numbers hold. */
const step = z
  .int()
  .min(0)
  .max(999_999_999_999_999)
  .meta({ description: 'Epoch, iteration, number of events …: what the job counts by' })

const metricValue = z
  .union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])])
  .meta({ description: 'A number; those that JSON lacks by their names' })

export const maxProgressText = 1000

/** Several numbers at one step. */
export const metrics = z.strictObject({ step, values: z.record(name, metricValue) })
export type Metrics = z.infer<typeof metrics>

export const progress = z.strictObject({
  done: z.number().min(0),
  total: z.number().min(0).optional().meta({ description: 'How much there is to do in all, in the unit of `done`' }),
  text: z
    .string()
    .max(maxProgressText)
    .regex(/^[^\u0000]*$/u)
    .meta({ format: wellFormed })
    .optional(),
})
export type Progress = z.infer<typeof progress>

/** So many points at most has what an attempt used over time. */
export const maxCoursePoints = 60

/** More than any machine has, so that no number is refused by a column. */
const measure = z.number().min(0).max(1_000_000_000)

/** No tuple in the schema, since that of OpenAPI has another form than that of the validator. */
export const coursePoint = (
  z.array(measure).length(3) as unknown as z.ZodType<[seconds: number, memoryMb: number, cores: number]>
).meta({
  description:
    'Seconds since the start of the attempt; memory, MB (the most since the point before); cores at work since then',
})
export type CoursePoint = z.infer<typeof coursePoint>

/** So much at most in one request of a pilot. */
export const [maxToldMetrics, maxToldProgress, maxToldCourses] = [5000, 1000, 200]

export const toldMetric = z.strictObject({ jobId, attempt, name, step, value: metricValue })
export type ToldMetric = z.infer<typeof toldMetric>

export const toldProgress = z.strictObject({ jobId, attempt, ...progress.shape })
export type ToldProgress = z.infer<typeof toldProgress>

/** What an attempt used over time, all of it each time it is told. */
export const toldCourse = z.strictObject({ jobId, attempt, points: z.array(coursePoint).min(1).max(maxCoursePoints) })
export type ToldCourse = z.infer<typeof toldCourse>

export const told = z.strictObject({
  epoch,
  metrics: z.array(toldMetric).max(maxToldMetrics).default([]),
  progress: z.array(toldProgress).max(maxToldProgress).default([]),
  courses: z.array(toldCourse).max(maxToldCourses).default([]),
})

export const metricLine = z.object({ name, step, value: metricValue, attempt, at })
export type MetricLine = z.infer<typeof metricLine>

export const metricQuery = z.object({
  after: z.string().max(1500).optional().meta({ description: '`next` of the previous page' }),
  limit: z.int().min(1).max(1000).default(200),
  name: name.optional(),
  attempt: attempt
    .optional()
    .meta({ description: 'What that attempt said; when left out, of each step what the last attempt said of it' }),
  waitSeconds: z.number().min(0).max(30).default(0).meta({ description: 'Wait so long for more, s' }),
})

export const metricPage = z.object({
  items: z.array(metricLine),
  next: z.string().meta({ description: 'Pass it as `after` for what follows, also when nothing follows yet' }),
  ended: z.boolean().meta({ description: 'Nothing more will come' }),
})

export const taskMetricQuery = z.object({
  after: z.string().max(300).optional().meta({ description: '`next` of the previous page' }),
  limit: z.int().min(1).max(1000).default(200),
  name,
})

/** The last of a metric of one job; null as long as it has said none. */
export const taskMetric = z.object({
  index: z.int(),
  jobId,
  last: z.object({ step, value: metricValue, attempt, at }).nullable(),
})
export type TaskMetric = z.infer<typeof taskMetric>

export const progressView = z.object({
  done: z.number(),
  total: z.number().nullable(),
  text: z.string().nullable(),
  attempt,
  at,
})
export type ProgressView = z.infer<typeof progressView>

/** Of a job with more attempts the newest so many are told. */
export const maxCourses = 20

/** What an attempt used over time. */
export const course = z.object({
  attempt,
  points: z.array(
    z.object({
      seconds: z.number().meta({ description: 'Since its start, s' }),
      memoryMb: z.number().meta({ description: 'The most since the point before, MB' }),
      cores: z.number().meta({ description: 'At work since the point before' }),
    }),
  ),
})
export type Course = z.infer<typeof course>

export const courses = z.object({
  items: z.array(course).meta({
    description: `By attempt, of the newest ${maxCourses}. An attempt that ran for less than some seconds has none; they are kept for 30 days`,
  }),
})
