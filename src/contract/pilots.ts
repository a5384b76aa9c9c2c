import { z } from 'zod'
import { attemptCauseNames } from '../domain/job/causes.ts'
import { jobStates } from '../domain/job/states.ts'
import { pilotStates, queueStates } from '../domain/queue/states.ts'
import { at, attempt, epoch, hash, jobId, maxInteger, name, pilotId, taskId, value, wellFormed } from './base.ts'
import { environment } from './environments.ts'
import { remoteError, usage } from './jobs.ts'
import { givenSecret } from './secrets.ts'
import { maxGpus, payload } from './tasks.ts'

/**
 * A pilot registers with a name that survives its restarts (a random word kept in its folder) and gets an epoch: the number of its starts.
 * Whoever registers has ended what an earlier start of it left running on its machine: what that held is given to others at once.
 */
export const newPilot = z.strictObject({
  name,
  queue: name,
  slots: z.int().min(1).max(4096).meta({ description: 'Cores it may use at once' }),
  memoryMb: z.int().min(1).max(maxInteger).optional(),
  gpus: z.int().min(0).max(maxGpus).optional().meta({ description: 'GPUs that its jobs may have; none when left out' }),
  host: name,
  version: z
    .string()
    .max(50)
    .regex(/^[^\u0000-\u001f\u007f]*$/u)
    .meta({ format: wellFormed }),
  pid: z.int().optional(),
  start: z.int().min(1).max(999_999_999_999_999).optional().meta({
    description:
      'Number of this start, larger than those of all earlier ones of this name: the same again gets the same epoch, an earlier one is refused',
  }),
})
export type NewPilot = z.infer<typeof newPilot>

export const registeredPilot = z.object({
  pilotId,
  epoch: z.int(),
  renewSeconds: z.number().meta({ description: 'Renew the lease so often, s (15 by default)' }),
  suspectSeconds: z.number().meta({ description: 'After so long a silence the pilot is suspect, s (45 by default)' }),
})
export type RegisteredPilot = z.infer<typeof registeredPilot>

export const claim = z.strictObject({
  epoch,
  claimSeq: z
    .int()
    .min(1)
    .meta({ description: 'Number of this claim; the same number gets the same answer, so a lost reply loses nothing' }),
  cores: z.int().min(0).max(maxInteger).meta({ description: 'Free cores' }),
  memoryMb: z.int().min(0).max(maxInteger).optional(),
  gpus: z.int().min(0).max(maxGpus).optional().meta({ description: 'Free GPUs; none when left out' }),
  jobs: z.int().min(0).max(5000).meta({ description: 'At most so many jobs' }),
  waitSeconds: z.number().min(0).max(60).default(20),
})
export type Claim = z.infer<typeof claim>

/** What a pilot needs to know of a task to run its jobs. */
export const claimedTask = z.object({
  taskId,
  name: z.string(),
  ownerId: z.string().meta({ description: 'Runners are never shared between owners' }),
  workflowId: z.string(),
  payload,
  common: value.nullable(),
  cores: z.int(),
  memoryMb: z.int().nullable(),
  gpus: z.int(),
  wallSeconds: z.int().nullable(),
  environment: environment
    .optional()
    .meta({ description: 'Where it runs, with what workflow and queue say; left out when nobody says anything' }),
  secrets: z.array(givenSecret).optional().meta({ description: 'Left out for tasks that name none' }),
  trace: z.string().optional().meta({ description: 'The trace that it was submitted in: a W3C traceparent' }),
})
export type ClaimedTask = z.infer<typeof claimedTask>

export const claimedJob = z.object({
  jobId,
  taskId,
  index: z.int(),
  attempt,
  args: value,
  memoryMb: z.int().optional().meta({
    description: 'Its own limit, where an earlier attempt had too little; left out: that of its task',
  }),
  checkpoint: hash
    .optional()
    .meta({ description: 'The manifest of what an earlier attempt has kept: to be laid into the working folder' }),
  token: z
    .string()
    .meta({ description: 'What the payload may speak to the server with, as long as this attempt is held' }),
})
export type ClaimedJob = z.infer<typeof claimedJob>

export const claimReply = z.object({
  claimSeq: z.int(),
  jobs: z.array(claimedJob),
  resumed: z.array(z.object({ jobId, attempt })).meta({ description: 'Jobs that awaited calls and have a slot again' }),
  tasks: z.array(claimedTask).meta({ description: 'The tasks of these jobs' }),
  cancel: z.array(z.object({ jobId, attempt })).meta({ description: 'Jobs that it holds and should end' }),
})
export type ClaimReply = z.infer<typeof claimReply>

/** What happened to an attempt. The report of an end may be the first word of it: `sent` → `finished` is legal when `startedAt` is in it. */
export const report = z.strictObject({
  jobId,
  attempt,
  what: z.enum(['starting', 'running', 'awaiting', 'woken', 'finished', 'deferred', 'failed', 'cancelled', 'returned']),
  startedAt: at.optional(),
  endedAt: at.optional(),
  value: value.optional(),
  until: at.optional().meta({ description: 'Goes with `deferred`: how long the value may take that is posted later' }),
  cause: z.enum(attemptCauseNames).optional(),
  error: remoteError.optional(),
  exitCode: z.int().min(-maxInteger).max(maxInteger).optional(),
  signal: z
    .string()
    .regex(/^[A-Z0-9+-]{1,20}$/)
    .optional(),
  usage: usage.optional(),
})
export type Report = z.infer<typeof report>

export const reports = z.strictObject({ epoch, reports: z.array(report).min(1).max(5000) })

export const reportsReply = z.object({
  answers: z.array(
    z.object({ jobId, answer: z.enum(['moved', 'stale', 'unknown']), state: z.enum(jobStates).nullable() }),
  ),
})
export type ReportsReply = z.infer<typeof reportsReply>

/**
 * One call for all that a pilot holds: a digest of the sorted `j5:1` (job:attempt), joined by spaces. When it differs from what the server knows, the
 * pilot sends the list, and both sides forget what the other does not know.
 */
export const renewal = z.strictObject({
  epoch,
  held: hash.meta({ description: 'SHA-256 of the sorted "j5:1" joined by spaces' }),
  list: z.array(z.strictObject({ jobId, attempt })).max(100_000).optional(),
  nextClaim: z.int().min(1).optional().meta({
    description:
      'Goes with `list`: number of the claim that it makes next or still waits for; what that one brought is under way, and no list has it yet',
  }),
})
export type Renewal = z.infer<typeof renewal>
export const renewalReply = z.object({
  leaseUntil: at,
  matches: z.boolean().meta({ description: 'When false, renew again with the list' }),
  cancel: z.array(z.object({ jobId, attempt })),
  drop: z.array(z.object({ jobId, attempt })).meta({ description: 'No longer its own: end them without a report' }),
})
export type RenewalReply = z.infer<typeof renewalReply>

export const logReport = z.strictObject({
  epoch,
  chunks: z
    .array(
      z.strictObject({
        jobId,
        attempt,
        stream: z.enum(['stdout', 'stderr']),
        offset: z.int().min(0),
        text: z.string().max(maxLogChunk()),
      }),
    )
    .min(1)
    .max(1000),
})

/** 256 kB of text at once: small enough to combine, large enough that a chatty job is not all overhead. */
function maxLogChunk() {
  return 262_144
}

export const leave = z.strictObject({ epoch })

export const pilot = z.object({
  id: pilotId,
  name: z.string(),
  queue: z.string(),
  host: z.string(),
  state: z.enum(pilotStates),
  epoch: z.int(),
  slots: z.int(),
  gpus: z.int(),
  jobs: z.int().meta({ description: 'Jobs that it holds' }),
  seenAt: at,
  startedAt: at,
})
export type Pilot = z.infer<typeof pilot>

export const queue = z.object({
  name: z.string(),
  site: z.string(),
  state: z.enum(queueStates),
  pilots: z.int(),
  slots: z.int(),
  gpus: z.int(),
  running: z.int(),
  waiting: z.int(),
  environment: environment
    .nullable()
    .meta({ description: 'Where tasks run in it, in what they do not say themselves' }),
})
export type Queue = z.infer<typeof queue>
