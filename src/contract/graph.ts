import { z } from 'zod'
import { taskStates } from '../domain/task/states.ts'
import { jobId, taskId } from './base.ts'
import { jobCounts } from './tasks.ts'

/** More than a page can draw so that anybody sees something. */
export const mostNodes = 5000

export const graphNode = z.object({
  id: taskId.meta({ description: 'Of the task, or of the first of those that are folded into it' }),
  tasks: z.int().meta({ description: 'For how many tasks it stands' }),
  name: z.string(),
  state: z.enum(taskStates).meta({ description: 'Of several: what still goes on, or else the worst end' }),
  counts: jobCounts,
  parentJobId: jobId.nullable().meta({ description: 'The job whose call it is' }),
})
export type GraphNode = z.infer<typeof graphNode>

/** Two places; no tuple in the schema, since that of OpenAPI has another form than that of the validator. */
const edge = z.array(z.int()).length(2) as unknown as z.ZodType<[number, number]>

/** How the tasks of a workflow hang together, in one reply of a bounded size. */
export const graph = z.object({
  nodes: z.array(graphNode).max(mostNodes),
  edges: z
    .array(edge)
    .meta({ description: 'Places in `nodes`, from and to: what was waited for, what led to a call, whose call it is' }),
  folded: z.int().meta({
    description: `Nodes that stand for several tasks, of one name and with the same parents: when there are more than ${mostNodes} tasks`,
  }),
  left: z.int().meta({ description: 'Tasks that are in no node, since there are too many: the oldest' }),
})
export type Graph = z.infer<typeof graph>
