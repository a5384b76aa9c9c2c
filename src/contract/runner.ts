/**
 * What a pilot and its runner say to each other: one JSON document a line, both ways, over the socket that the runner finds as file descriptor 3.
 * Standard output and error belong to the payload. A runner has one job at a time; a job that awaits calls of its own keeps its runner.
 *
 * Jobs of a fraction of a millisecond are sent ahead, so that a runner does not wait for the next: it does them in the order in which they came, and the
 * `done` of one says that the next has begun. What it has not begun can be had back (`skip`); it gives it back of itself (`skipped`) when it cannot do it
 * soon or in the same place: after a job that awaits calls, that left files behind, or that was its last.
 *
 * After a job the runner writes `endMark(jobId, attempt)` to standard output and error, so that the pilot can tell whose output it reads;
 * the pilot cuts the marks out. The report of a job does not wait for them. A mark stands for the jobs before it too: of several short jobs that printed
 * nothing only the last may leave one.
 */
import type { RemoteError, Usage } from './jobs.ts'
import type { Metrics, Progress } from './told.ts'

/** The first word of the pilot: where the bundle lies (unpacked, read-only by custom) and how the payload reaches the server. */
export type Hello = { t: 'hello'; bundleFolder: string; serverUrl: string }

export type Text = { text: string } | { file: string }

/** What the jobs that follow have in common, until the next of these. */
export type Task = {
  t: 'task'
  taskId: string
  workflowId: string
  bundle: string
  module: string
  export: string
  common: Text | null
  /** The limit of one attempt, s: time in which it has a slot. */
  wallSeconds: number | null
}

export type Run = {
  t: 'run'
  jobId: string
  index: number
  attempt: number
  args: Text
  /** The job's own token, for calls that it makes. */
  token: string
  /** A folder of the job's own, removed after its end: its working directory. Large results are written there. */
  folder: string
  /** What an earlier attempt has kept lies in the folder, which is empty otherwise. */
  restored?: true
  /** The trace that the job runs in (a W3C traceparent): its environment has it as `TRACEPARENT`. */
  trace?: string
}

/** The job has a slot again: deliver what it awaited. */
export type Resumed = { t: 'resumed'; jobId: string }

/** These jobs, if they have not begun, are wanted back. */
export type Skip = { t: 'skip'; jobIds: string[] }

export type ToRunner = Hello | Task | Run | Resumed | Skip

export type Ready = { t: 'ready' }

export type Done = {
  t: 'done'
  jobId: string
  attempt: number
  usage?: Usage
  /** This runner is not fit for another job. */
  last?: boolean
} & (
  | { ok: true; value: Text }
  | { ok: true; later: Later }
  | { ok: false; cause: 'user' | 'bundle'; error: RemoteError }
)

/** The job's value is to be posted to its callback, which holds so long. */
export type Later = { expiresAt: string }

/** It waits for calls of its own, and for nothing else: its slot may go to others. */
export type Awaiting = { t: 'awaiting'; jobId: string }

/** What it waited for has come; it asks for a slot, and waits for `resumed`. */
export type Woken = { t: 'woken'; jobId: string }

/** What it says of itself, as it goes along. Runners gather what is said within a tenth of a second, and say what is left before `done`. */
export type Told = { t: 'told'; jobId: string; attempt: number; metrics?: Metrics[]; progress?: Progress }

/** These jobs have not begun, and will not here. */
export type Skipped = { t: 'skipped'; jobIds: string[] }

export type FromRunner = Ready | Done | Awaiting | Woken | Told | Skipped

export const endMark = (jobId: string, attempt: number): string => `\u0000culm:end:${jobId}:${attempt}\u0000\n`

/** The arguments of a call, as the JSON text of this form. Those of the task (`common`) come first; named ones of the job win. */
export type Arguments = { a?: unknown[]; k?: Record<string, unknown> }
