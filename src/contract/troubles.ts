import { z } from 'zod'
import { attemptCauseNames } from '../domain/job/causes.ts'
import { jobStates } from '../domain/job/states.ts'
import { at, attempt, jobId, name, taskId, troubleId } from './base.ts'

/** What goes wrong: attempts that failed or were lost, told apart by their cause and by what they said but for numbers, ids, paths, quoted words and times. */

/** No window is longer, days. */
export const maxWindowDays = 31

const window = {
  from: at.optional().meta({ description: 'A day before `to` when left out' }),
  to: at
    .optional()
    .meta({ description: `Now when left out; the window has at most the ${maxWindowDays} days before it` }),
}
const cause = z.enum(attemptCauseNames)

export const troubleQuery = z.object({
  ...window,
  queue: name.optional(),
  cause: cause.optional(),
  limit: z.int().min(1).max(200).default(50),
})

export const troubleWindow = z.object(window)

const kind = {
  id: troubleId,
  cause,
  text: z.string().meta({ description: 'What the last of them said: the class of the error and its message' }),
  fingerprint: z.string().meta({ description: 'What they have in common' }),
}

/** Of steps of the window from its begin on, each `stepSeconds` long. */
const course = z.array(z.int()).meta({ description: 'Attempts of each step' })

const trouble = z.object({
  ...kind,
  attempts: z.int().meta({ description: 'In the window' }),
  course,
  queues: z.array(z.string()).meta({ description: 'Where it was in the window, the most first' }),
  since: at.meta({ description: 'When it was met first, ever' }),
  lastAt: at,
  jobId: jobId.meta({ description: 'The last job that met it' }),
  total: z.int().meta({ description: 'Attempts since it was met first' }),
  tasks: z.int().meta({ description: 'Tasks that have ever met it' }),
  users: z.int().meta({ description: 'People whose tasks have ever met it' }),
})
export type Trouble = z.infer<typeof trouble>

const windowed = { from: at, to: at, stepSeconds: z.int() }

export const troubles = z.object({ ...windowed, items: z.array(trouble) })
export type Troubles = z.infer<typeof troubles>

export const troubleView = z.object({
  ...trouble.shape,
  ...windowed,
  byQueue: z.array(z.object({ queue: z.string(), attempts: z.int(), course })),
  hosts: z
    .array(z.object({ host: z.string(), queue: z.string(), attempts: z.int(), lastAt: at }))
    .meta({ description: 'The hosts that met it most since it was met first' }),
  people: z.array(z.object({ name: z.string(), attempts: z.int() })),
  jobs: z
    .array(
      z.object({
        id: jobId,
        taskId,
        taskName: z.string(),
        owner: z.string(),
        state: z.enum(jobStates),
        attempt,
        at,
        host: z.string().nullable(),
        queue: z.string().nullable(),
        error: z.string().nullable().meta({ description: 'The first line of it' }),
      }),
    )
    .meta({ description: 'The newest of its jobs, each with the attempt that met it last' }),
})
export type TroubleView = z.infer<typeof troubleView>

export const taskTroubles = z.object({
  items: z.array(z.object({ ...kind, attempts: z.int(), since: at, lastAt: at, jobId })),
})
export type TaskTrouble = z.infer<typeof taskTroubles>['items'][number]
