import { z } from 'zod'
import { at } from './base.ts'

/** By what reports group: where, who, a label, or how it ended. */
export const usageBy = z
  .string()
  .max(69)
  .regex(/^(?:site|queue|user|ending|cause|label:[A-Za-z0-9][A-Za-z0-9._/-]*)$/)
  .meta({ description: '`site`, `queue`, `user`, `ending`, `cause`, or `label:` and the name of one' })

export const usageSteps = ['none', 'hour', 'day'] as const

/** So many groups at most in JSON, and so many lines in CSV. */
export const maxUsageGroups = 200
export const maxUsageLines = 20_000

/** Each step is a point of each series: a year by day, or two weeks by hour. */
export const maxUsageSteps = 366
export const maxUsageSeries = 20

export const usageQuery = z.object({
  from: at.optional().meta({
    description:
      'From the hour of this time on, or the day (of UTC) when `step` is `day` or it is for more than two; a day before `to` when left out',
  }),
  to: at.optional().meta({ description: 'To the end of that hour or day; until now when left out' }),
  by: usageBy.default('user'),
  step: z
    .enum(usageSteps)
    .default('none')
    .meta({
      description: `A series beside the sums, by hour or by day (of UTC): at most ${maxUsageSteps} steps`,
    }),
  limit: z
    .int()
    .min(1)
    .max(maxUsageGroups)
    .default(maxUsageGroups)
    .meta({
      description: `So many groups, those with most wall time; the rest comes together as \`other\`. With a step, at most ${maxUsageSeries}`,
    }),
  format: z
    .enum(['json', 'csv'])
    .default('json')
    .meta({
      description: `CSV has a header (RFC 4180) and all groups, at most ${maxUsageLines} lines`,
    }),
})
export type UsageQuery = z.output<typeof usageQuery>

const amounts = {
  attempts: z.int().meta({ description: 'All tries' }),
  finished: z.int().meta({ description: 'Jobs that ended for good, well' }),
  failed: z.int().meta({ description: 'Jobs that ended for good, and failed' }),
  cancelled: z.int(),
  wallSeconds: z.number().meta({ description: 'Of all tries, as their pilots measured it, s' }),
  cpuSeconds: z.number(),
}

export const usagePoint = z.object({ at, ...amounts })
export type UsagePoint = z.infer<typeof usagePoint>

export const usageGroup = z.object({
  name: z
    .string()
    .nullable()
    .meta({ description: 'null: of none, as jobs that no queue has had or that have no such label' }),
  ...amounts,
  series: z
    .array(usagePoint)
    .meta({ description: 'Steps in which there was something, in order; empty without a step' }),
})
export type UsageGroup = z.infer<typeof usageGroup>

export const usageReport = z.object({
  from: at,
  to: at,
  by: z.string(),
  step: z.enum(usageSteps),
  items: z.array(usageGroup).meta({ description: 'Most wall time first' }),
  other: usageGroup.nullable().meta({ description: 'All groups beyond those, together' }),
})
export type UsageReport = z.infer<typeof usageReport>
