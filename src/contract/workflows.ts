import { z } from 'zod'
import { workflowStates } from '../domain/workflow/states.ts'
import {
  at,
  epoch,
  hash,
  jobId,
  labels,
  listFilter,
  name,
  pageQuery,
  prose,
  severalOf,
  taskId,
  value,
  wellFormed,
  workflowId,
} from './base.ts'
import { environment } from './environments.ts'
import { outcome, remoteError } from './jobs.ts'
import { functionTask, jobCounts, journalKey, priority, seen } from './tasks.ts'

/**
 * `function`: a driver runs it and says when it ends. `job`: its function runs as the one job of its first task, and it ends as that does, with that value or error.
 * `session`: calls that a program makes outside any workflow function; it ends with its driver. `tasks`: no driver; it ends when it is closed and its last task has ended.
 */
export const workflowKinds = ['function', 'job', 'session', 'tasks'] as const

/** Names the program that asks: one that is started again says the same, and continues its workflows. */
export const run = z.strictObject({
  id: z.uuid().meta({ description: 'Of the program, however often it is started' }),
  key: z.string().min(1).max(400).meta({
    format: wellFormed,
    description: 'Which of its workflows: `session`, or `module#export:ordinal`, which counts equal functions',
  }),
  program: name.meta({ description: 'What people call the program: the name of its file' }),
  code: hash.optional().meta({ description: 'Of the source of the function' }),
  arguments: hash.optional().meta({ description: 'Of the arguments of the function' }),
  acceptCode: z.boolean().default(false).meta({ description: 'Continue though the source was changed' }),
})

export const newWorkflow = z.strictObject({
  name,
  kind: z.enum(workflowKinds),
  labels: labels.default({}),
  run: run.optional(),
  environment: environment.optional().meta({ description: 'Where its tasks run, in what they do not say themselves' }),
  task: functionTask.optional().meta({ description: 'Of kind `job`, and only of that: what its function runs as' }),
})
export type NewWorkflow = z.infer<typeof newWorkflow>

export const workflow = z.object({
  id: workflowId,
  name,
  kind: z.enum(workflowKinds),
  owner: z.string(),
  group: z.string(),
  state: z.enum(workflowStates),
  tasks: z.object({ total: z.int(), ended: z.int(), failed: z.int() }),
  jobs: jobCounts,
  createdAt: at,
  endedAt: at.nullable(),
  driverSeenAt: at.nullable(),
  held: z.boolean().meta({ description: 'A person has paused it' }),
  value: value.nullable(),
  error: remoteError.nullable(),
  why: z.string().nullable(),
  labels,
  run: z.string().nullable().meta({ description: 'The program whose workflow this is; CULM_RUN continues it' }),
  program: z.string().nullable(),
})
export type Workflow = z.infer<typeof workflow>

export const workflowQuery = z.object({
  ...pageQuery,
  state: severalOf(z.enum(workflowStates)).optional(),
  ...listFilter,
  run: z.uuid().optional().meta({ description: 'Those of one program, however often it was started' }),
  program: name.optional().meta({ description: 'Those of programs of this name' }),
})

/**
 * The answer to a driver that starts: from here on its epoch is the only one that may write. A workflow that was done before is not begun again: its value comes with
 * the answer, and when there is none because it could not be stored, the journal gives the driver all that it asks for. A workflow whose function runs as a job has no
 * driver (its epoch is 0), and may have ended in any way when it was there already: how, its job tells.
 */
export const startedDriver = z.object({
  workflowId,
  epoch: z.int(),
  renewSeconds: z.int(),
  known: z.boolean().meta({ description: 'The workflow was there already: this driver continues it' }),
  state: z.enum(workflowStates),
  value: value.nullable().meta({ description: 'Of a workflow that is done' }),
  job: z.object({ taskId, jobId }).nullable().meta({ description: 'Of kind `job`: the one that its function runs as' }),
})
export type StartedDriver = z.infer<typeof startedDriver>

export const driverEpoch = z.strictObject({ epoch })

export const endWorkflow = z.strictObject({
  epoch,
  state: z.enum(['done', 'failed']),
  value: value.optional(),
  error: remoteError.optional(),
})

export const reasonBody = z.strictObject({ why: prose.max(500).optional() })
export const priorityBody = z.strictObject({ priority, why: prose.max(500).optional() })

export const actionQuery = z.object({
  preview: z.boolean().default(false).meta({ description: 'Only say what it would touch, and whether it can be done' }),
})

/** What an action touches, as the counters have it: they are a second old at most. */
export const touches = z.object({
  tasks: z.int().meta({ description: 'At most: those that have not ended, or, of a retry, did not end well' }),
  jobs: jobCounts,
  stops: z.int().meta({ description: 'Attempts under way that end by it' }),
})
export type Touches = z.infer<typeof touches>

export const cancelReply = z.object({
  cancelled: z.int(),
  asked: z.int().meta({ description: 'Jobs that pilots hold: they end when their pilot confirms' }),
  touches: touches.optional().meta({ description: 'Of a preview' }),
})

export const retryReply = z.object({
  retried: z.int().meta({ description: 'Jobs that run again, or wait for those that do' }),
  touches: touches.optional().meta({ description: 'Of a preview' }),
})

export const steerReply = z.object({ touches })

/** What may be recorded under one key, bytes of JSON text; more belongs into a work, or into a file. */
export const maxRecordBytes = 1_000_000

export const newRecord = z.strictObject({
  key: journalKey,
  epoch,
  value: z.string().max(maxRecordBytes).meta({ description: 'The JSON text of the value' }),
  seen: seen.optional(),
})
export type NewRecord = z.infer<typeof newRecord>

export const recorded = z.object({
  value: z.string(),
  known: z.boolean().meta({ description: 'The journal had this key already: `value` is what it has' }),
})

export const journalQuery = z.object({
  scope: z
    .string()
    .regex(/^(?:driver|j[1-9][0-9]{0,14})$/)
    .default('driver')
    .meta({ description: '`driver`, or the id of a job: whose calls and records' }),
  after: z.int().min(0).default(0).meta({ description: '`seq` of the last entry that is known' }),
  limit: z.int().min(1).max(1000).default(1000),
})

/** What was asked for, in the order in which the server took it. Either a call (`taskId`) or a record (`value`). */
export const journalEntry = z.object({
  seq: z.int(),
  key: z.string(),
  seen: z.string().nullable(),
  taskId: taskId.nullable(),
  value: z.string().nullable(),
  jobs: z.int().meta({ description: 'How many the call has so far; 0 of a record' }),
  closed: z.boolean().meta({ description: 'All jobs of the call are there' }),
  firstJobId: jobId.nullable(),
  outcome: outcome.nullable().meta({ description: 'Of a call of one job that has ended with a short value' }),
  earlier: z.boolean().meta({
    description:
      'From before its asker was retried: known by its key, in no order. A record of that time gives way to one that is written now',
  }),
})
export type JournalEntry = z.infer<typeof journalEntry>
export const journalPage = z.object({ items: z.array(journalEntry), next: z.int().nullable() })
