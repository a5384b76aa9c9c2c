import { z } from 'zod'
import { attemptCauseNames, attemptEnds } from '../domain/job/causes.ts'
import { jobStates } from '../domain/job/states.ts'
import { at, attempt, jobId, pageQuery, pilotId, taskId, value, workflowId } from './base.ts'
import { checkpointView } from './blobs.ts'
import { progressView } from './told.ts'

export { stopsTask } from '../domain/job/causes.ts'

/** What went wrong, as the place where it went wrong tells it. */
export const remoteError = z.strictObject({
  type: z.string().max(200).meta({ description: 'Class of the error: TypeError, ValueError …' }),
  message: z.string().max(10_000),
  stack: z
    .string()
    .max(100_000)
    .optional()
    .meta({ description: 'The remote traceback, with the user’s own files and lines' }),
})
export type RemoteError = z.infer<typeof remoteError>

/** More than any job uses, and far below what a `real` of PostgreSQL holds. */
const amount = z.number().min(0).max(1e12)

export const usage = z.object({
  wallSeconds: amount.optional(),
  cpuSeconds: amount.optional(),
  maxRssMb: amount.optional().meta({ description: 'Peak resident memory of the process group, MB' }),
})
export type Usage = z.infer<typeof usage>

/** A job at its end: the value, or why there is none. */
export const outcome = z.object({
  jobId,
  taskId,
  index: z.int().meta({ description: 'Place of the job in its task, from 0' }),
  state: z.enum(['finished', 'failed', 'cancelled', 'closed']),
  attempt: z.int(),
  value: value.optional(),
  cause: z.enum(attemptCauseNames).optional(),
  error: remoteError.optional(),
})
export type Outcome = z.infer<typeof outcome>

export const attemptView = z.object({
  attempt,
  end: z.enum(attemptEnds).nullable().meta({ description: 'null while it is under way' }),
  pilotId: pilotId.nullable(),
  host: z.string().nullable(),
  sentAt: at,
  startedAt: at.nullable(),
  endedAt: at
    .nullable()
    .meta({ description: 'When its payload ended: before `end` is known, if its value is still to be posted' }),
  cause: z.enum(attemptCauseNames).nullable(),
  error: remoteError.nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  usage: usage.nullable(),
})
export type AttemptView = z.infer<typeof attemptView>

export const jobLine = z.object({
  id: jobId,
  taskId,
  index: z.int(),
  state: z.enum(jobStates),
  attempt: z.int(),
  heldBy: z.string().nullable(),
  unmet: z.int(),
  cause: z.enum(attemptCauseNames).nullable(),
})
export type JobLine = z.infer<typeof jobLine>

/** Arguments and values of more characters are not in lists. */
export const maxListedText = 1000

/** A job as lists tell of it: with its last attempt and, asked for, its arguments and its value. */
export const jobEntry = jobLine.extend({
  sentAt: at.nullable().meta({ description: 'Of its last attempt, as what follows' }),
  startedAt: at.nullable(),
  endedAt: at.nullable(),
  host: z.string().nullable(),
  usage: usage.nullable(),
  errorLine: z.string().nullable().meta({ description: 'Class of its error and the first line of its message' }),
  args: value.optional().meta({ description: `Left out when it has more than ${maxListedText} characters` }),
  value: value.optional().meta({ description: `Left out when it has more than ${maxListedText} characters` }),
})
export type JobEntry = z.infer<typeof jobEntry>

export const job = jobLine.extend({
  workflowId,
  name: z.string(),
  owner: z.string(),
  cancelAsked: z.boolean(),
  memoryMb: z.int().nullable().meta({
    description: 'The limit of its memory: that of its task, or more, since an earlier attempt had too little',
  }),
  args: value,
  value: value.nullable(),
  error: remoteError.nullable(),
  progress: progressView.nullable().meta({ description: 'How far it is, as it has said last' }),
  checkpoint: checkpointView.nullable().meta({ description: 'What it has kept for its next attempt' }),
  attempts: z.array(attemptView),
})
export type Job = z.infer<typeof job>

export const jobQuery = z.object({
  ...pageQuery,
  state: z.enum(jobStates).optional(),
  cause: z.enum(attemptCauseNames).optional().meta({ description: 'Only jobs that failed or were cancelled for it' }),
  with: z
    .string()
    .max(20)
    .regex(/^(?:(?:args|value)(?:,|$))*$/)
    .default('')
    .meta({ description: 'Comma-separated: args, value' }),
})

/** One move of a state machine, as it is told outside. */
export const move = z.object({
  noun: z.enum(['workflow', 'task', 'job', 'pilot']),
  id: z.string(),
  from: z.string().nullable(),
  to: z.string(),
  trigger: z.string(),
  why: z.string().nullable(),
  at,
})
export type Move = z.infer<typeof move>

export const logChunk = z.object({
  attempt,
  stream: z.enum(['stdout', 'stderr']),
  offset: z.int().meta({ description: 'Place of the first byte in this stream of this attempt' }),
  text: z.string(),
})
export type LogChunk = z.infer<typeof logChunk>

export const logPage = z.object({ items: z.array(logChunk), next: z.string(), ended: z.boolean() })

/** Why it is as it is: one cause, what shows it, and what helps. */
export const explanation = z.object({
  subject: z.string(),
  state: z.string(),
  cause: z
    .string()
    .meta({ description: 'A word for programs, such as no_pilot, slots_busy, waits_for_inputs, back_off, user_error' }),
  sentence: z.string(),
  evidence: z.array(z.string()),
  remedy: z.string().nullable(),
})
export type Explanation = z.infer<typeof explanation>
