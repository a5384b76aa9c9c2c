import { z } from 'zod'
import { at, attempt, epoch, jobId, name, wellFormed } from './base.ts'

/** What a job says of itself while it runs: metrics, which are numbers by name at a step, and its progress. */

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

/** So much at most in one request of a pilot. */
export const [maxToldMetrics, maxToldProgress] = [5000, 1000]

export const toldMetric = z.strictObject({ jobId, attempt, name, step, value: metricValue })
export type ToldMetric = z.infer<typeof toldMetric>

export const toldProgress = z.strictObject({ jobId, attempt, ...progress.shape })
export type ToldProgress = z.infer<typeof toldProgress>

export const told = z.strictObject({
  epoch,
  metrics: z.array(toldMetric).max(maxToldMetrics).default([]),
  progress: z.array(toldProgress).max(maxToldProgress).default([]),
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
