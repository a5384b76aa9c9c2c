import { z } from 'zod'
import { at } from './base.ts'
import { pilot, queue } from './pilots.ts'
import { jobCounts } from './tasks.ts'
import { workflow } from './workflows.ts'

/** Minutes of the series, the last of which is not over. */
export const overviewMinutes = 60

/** What runs, waits and went wrong. Jobs and workflows are those of the asker's experiment; queues and pilots serve all. */
export const overview = z.object({
  at,
  jobs: jobCounts,
  minutes: z.object({
    from: at.meta({ description: 'When the first of the minutes began' }),
    finished: z
      .array(z.int())
      .meta({ description: `Jobs, in each of the last ${overviewMinutes} minutes; the last is not over` }),
    failed: z.array(z.int()),
  }),
  queues: z.array(queue),
  suspects: z.array(pilot).meta({ description: 'Pilots that are silent' }),
  active: z.array(workflow).meta({ description: 'Under way, newest first' }),
  ended: z.array(workflow).meta({ description: 'Of the newest, those that have ended' }),
  failing: z.array(workflow).meta({ description: 'Of the newest, those that failed or in which something has' }),
})
export type Overview = z.infer<typeof overview>
