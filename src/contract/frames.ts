import { z } from 'zod'
import { at, taskId, workflowId } from './base.ts'
import { notices } from './notices.ts'
import { pilot, queue } from './pilots.ts'
import { jobCounts } from './tasks.ts'
import { workflow } from './workflows.ts'

/** So many of each kind are in one frame: as many as are on a page of a list. */
export const mostInFrame = 200

/** A workflow in a list: without its value and error, which its own page shows. */
export const workflowLine = workflow.omit({ value: true, error: true })
export type WorkflowLine = z.infer<typeof workflowLine>

export const taskLine = z.object({ id: taskId, workflowId, name: z.string(), state: z.string(), counts: jobCounts })
export type TaskLine = z.infer<typeof taskLine>

const changed = <T extends z.ZodType>(line: T, what: string) =>
  z.array(line).max(mostInFrame).meta({ description: what })

/** What has changed in an experiment since the frame before, as it is now. */
export const frame = z.object({
  at,
  workflows: changed(workflowLine, 'Workflows that are new, or whose state or numbers have changed'),
  tasks: changed(taskLine, 'Tasks likewise'),
  pilots: changed(pilot, 'Pilots likewise, of the newest'),
  queues: z.array(queue).meta({ description: 'Queues likewise' }),
  ended: z
    .object({ seconds: z.number(), finished: z.int(), failed: z.int() })
    .meta({ description: 'How many jobs have ended since the frame before, and how long ago that was, s' }),
  lookAgain: z.boolean().meta({ description: 'More has changed than is in here: lists are to be asked for again' }),
})
export type Frame = z.infer<typeof frame>

/** What the stream of an experiment sends. It has no cursor: who was away looks again. */
export const experimentNotices = {
  frame: frame.meta({ description: 'What has changed, at most four times a second, and not when nothing has' }),
  lookAgain: z.object({}).meta({ description: 'Frames were left out, since they were read too slowly' }),
  ping: notices.ping,
} as const
