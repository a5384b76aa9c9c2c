import { z } from 'zod'
import { jobStates } from '../domain/job/states.ts'
import { taskStates } from '../domain/task/states.ts'
import {
  at,
  epoch,
  hash,
  jobId,
  labels,
  listFilter,
  name,
  pageQuery,
  severalOf,
  taskId,
  value,
  wellFormed,
  workflowId,
} from './base.ts'
import { environment } from './environments.ts'
import { wantedSecrets } from './secrets.ts'

const where = environment
  .optional()
  .meta({ description: 'Where it runs: packages, image, what is run before and after' })

/** What a job of a task runs. */
export const payload = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('function'),
      bundle: hash.meta({ description: 'The sources: the hash of a bundle’s manifest' }),
      module: z
        .string()
        .min(1)
        .max(1000)
        .meta({ description: 'The module inside the bundle: a path for Node, a dotted name or a path for Python' }),
      export: z.string().min(1).max(200).meta({ description: 'Name of the function in that module' }),
      language: z.enum(['node', 'python']),
      interpreter: z.string().min(1).max(1000).optional().meta({
        description:
          'Path of the interpreter; only the local queue can promise that it is there. With packages it is what they are installed for',
      }),
      environment: where,
    })
    .meta({ description: 'A function of the user' }),
  z
    .strictObject({
      kind: z.literal('command'),
      command: z
        .array(z.string().max(100_000))
        .min(1)
        .max(1000)
        .meta({ description: 'Program and arguments; no shell is involved' }),
      folder: z.string().max(4000).optional().meta({ description: 'Folder to run in; a fresh one when left out' }),
      environment: where,
    })
    .meta({ description: 'A command' }),
])
export type Payload = z.infer<typeof payload>

const attempts = z.int().min(1).max(100)

const apart = (what: string) =>
  attempts.optional().meta({ description: `${what}; counted as the user’s when left out` })

/** Among all that wait: more is sooner. */
export const priority = z.int().min(0).max(8000)

/** More than any machine has. */
export const maxGpus = 1024

/**
 * What a task asks for. Attempts by cause: a user's error is not repeated, a site's is tried elsewhere, a loss is nobody's fault.
 */
export const needs = {
  queue: name.optional().meta({ description: 'Name of the queue; the broker chooses when left out' }),
  site: name.optional().meta({ description: 'Name of the site: any queue of it; any site when left out' }),
  cores: z.int().min(1).max(4096).default(1),
  memoryMb: z
    .int()
    .min(1)
    .max(100_000_000)
    .optional()
    .meta({ description: 'Limit over the whole process group, MB (10^6 bytes)' }),
  gpus: z.int().min(0).max(maxGpus).default(0).meta({ description: 'GPUs of each job: no two have the same at once' }),
  wallSeconds: z.int().min(1).max(31_536_000).optional().meta({ description: 'Limit of one attempt, s' }),
  priority: priority.default(1000),
  attempts: z
    .strictObject({
      user: attempts.default(1),
      memory: apart('Over its limit of memory'),
      walltime: apart('Over its limit of time'),
      runner: apart('Its process ended without a word'),
      site: attempts.default(3),
      lost: attempts.default(5),
    })
    .default({ user: 1, site: 3, lost: 5 })
    .meta({ description: 'How many attempts a job may have by the cause of their failure' }),
  lostAfterSeconds: z.int().min(1).max(604_800).optional().meta({
    description:
      'How long a pilot may be silent before its jobs are given to others, s; not before it is suspect (45 s). When left out, what its queue says, or else 60, or a tenth of the elapsed time (at most 2 h)',
  }),
  secrets: wantedSecrets.optional(),
  cache: z.boolean().default(false).meta({
    description:
      'Take stored results of your own of the same code, arguments and environment, and store those that are computed',
  }),
}

export const newJob = z.strictObject({
  args: value.meta({
    description: 'Arguments: the JSON text of {"a": [positional], "k": {named}}, after and over those of `common`',
  }),
  after: z.array(jobId).max(1000).optional().meta({ description: 'Jobs that must have finished before this one' }),
})
export type NewJob = z.infer<typeof newJob>

/** Names one call or record of a driver or job: the same program makes the same keys. */
export const journalKey = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\u0000]+$/u)
  .meta({ format: wellFormed })

/**
 * What its asker had been told, of all calls and records, before it asked this. The server keeps it and does not look into it: docs/decisions/0007-durable-functions.md
 * has its form.
 */
export const seen = z
  .string()
  .max(4_000_000)
  .regex(/^[^\u0000]*$/u)
  .meta({ format: wellFormed, description: 'What the asker had been told before; kept as it is' })

/** So many at most in one request; more go to an open task in further requests. */
export const maxJobsPerRequest = 10_000

export const newTask = z.strictObject({
  workflowId,
  name,
  payload,
  common: value.optional().meta({ description: 'Arguments that all jobs share, of the same form as `args`' }),
  jobs: z.array(newJob).max(maxJobsPerRequest),
  open: z.boolean().default(false).meta({ description: 'More jobs will follow, until the task is closed' }),
  after: z
    .array(taskId)
    .max(1000)
    .optional()
    .meta({ description: 'Tasks that must be done before any job of this one' }),
  call: z.strictObject({ key: journalKey, epoch, seen: seen.optional() }).optional().meta({
    description:
      'Journal key of this use of a work: unique in the driver or job that calls. The same key gives the same task.',
  }),
  labels: labels.default({}),
  ...needs,
})
export type NewTask = z.infer<typeof newTask>

/** What a workflow function that runs as a job asks for: a task of one job, which is made with its workflow. */
export const functionTask = newTask
  .omit({ workflowId: true, common: true, jobs: true, open: true, after: true, call: true })
  .extend({ args: newJob.shape.args })
export type FunctionTask = z.infer<typeof functionTask>

export const submittedTask = z.object({
  taskId,
  firstJobId: jobId.nullable().meta({ description: 'Of the first of these jobs; null when there are none' }),
  lastJobId: jobId.nullable().meta({
    description: 'Of the last of them. Numbers rise in the order of the request; others’ jobs may have some in between',
  }),
  jobs: z.int(),
  known: z.boolean().meta({ description: 'The journal had this call already; nothing was made' }),
})
export type SubmittedTask = z.infer<typeof submittedTask>

export const moreJobs = z.strictObject({
  firstIndex: z
    .int()
    .min(0)
    .meta({ description: 'Index of the first of these jobs: a repeated part is recognised by it' }),
  jobs: z.array(newJob).min(1).max(maxJobsPerRequest),
  close: z.boolean().default(false),
  epoch: epoch.optional().meta({ description: 'Of the driver that adds: an older one is refused' }),
})

export const jobCounts = z
  .object({ total: z.int(), ...Object.fromEntries(jobStates.map((s) => [s, z.int().optional()])) } as {
    total: z.ZodInt
  } & Record<(typeof jobStates)[number], z.ZodOptional<z.ZodInt>>)
  .meta({ description: 'Jobs by state; states without jobs are left out' })

export const task = z.object({
  id: taskId,
  workflowId,
  parentJobId: jobId.nullable().meta({ description: 'The job whose call this task is' }),
  name,
  owner: z.string(),
  state: z.enum(taskStates),
  payload,
  queue: z.string().nullable(),
  cores: z.int(),
  memoryMb: z.int().nullable(),
  gpus: z.int(),
  wallSeconds: z.int().nullable(),
  priority: z.int(),
  attempts: z.object({
    user: z.int(),
    memory: z.int().optional(),
    walltime: z.int().optional(),
    runner: z.int().optional(),
    site: z.int(),
    lost: z.int(),
  }),
  lostAfterSeconds: z.int().nullable(),
  counts: jobCounts,
  round: z.int().meta({ description: 'How often it was retried' }),
  createdAt: at,
  endedAt: at.nullable(),
  labels,
})
export type Task = z.infer<typeof task>

/** Who said it: the work, or what submitted a command; the workflow; a queue that it may run in; nobody. */
export const settingOrigins = ['work', 'submission', 'workflow', 'queue', 'retry', 'default'] as const

export const setting = z.object({
  name: z.string(),
  value: z.union([z.string(), z.number()]).nullable().meta({ description: 'null: no limit, or not fixed' }),
  from: z.enum(settingOrigins).meta({
    description: 'What was said and is the default all the same, is `default`; `retry`: an attempt had too little',
  }),
  queue: z.string().optional().meta({ description: 'The queue where it holds, when one says it' }),
})
export type Setting = z.infer<typeof setting>
export const settings = z.object({ items: z.array(setting) })

/** How a task went: its jobs by state at some moments, the last of them now, or when it ended. */
export const taskCurve = z.object({ items: z.array(z.object({ at, counts: jobCounts })) })
export type TaskCurve = z.infer<typeof taskCurve>

/** So many jobs of a task are looked at for how their use is spread. */
export const maxSpreadJobs = 2000

const amount = z.number().min(0)

const histogram = z
  .object({
    jobs: z.int().meta({ description: 'How many of the jobs say it' }),
    p50: amount,
    p95: amount,
    max: amount,
    buckets: z
      .array(z.object({ from: amount, to: amount, jobs: z.int() }))
      .meta({ description: 'From `from` on, below `to`; in decades, where values differ by much' }),
  })
  .nullable()

/** How long jobs of a task took and how much they used, by what their last attempts said. */
export const taskSpread = z.object({
  jobs: z
    .int()
    .meta({ description: `How many jobs were looked at: all, or ${maxSpreadJobs} of them, evenly by their index` }),
  of: z.int().meta({ description: 'How many jobs the task has' }),
  ended: z.int().meta({ description: 'How many of those looked at have ended with an attempt' }),
  wallSeconds: histogram.meta({ description: 'Elapsed time of the payload, s; null when no job says it' }),
  memoryMb: histogram.meta({ description: 'Peak resident memory, MB; null when no job says it' }),
  cpuShare: histogram.meta({
    description: 'CPU time by elapsed time: 1 is one core that worked all the time; null when no job says it',
  }),
})
export type TaskSpread = z.infer<typeof taskSpread>
export type Histogram = NonNullable<TaskSpread['wallSeconds']>

export const taskQuery = z.object({
  ...pageQuery,
  workflowId: workflowId.optional(),
  state: severalOf(z.enum(taskStates)).optional(),
  ...listFilter,
})
