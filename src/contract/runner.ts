/**
 * What a pilot and its runner say to each other: one JSON document a line, both ways, over the socket that the runner finds as file descriptor 3.
 * Standard output and error belong to the payload. A runner has one job at a time; a job that awaits calls of its own keeps its runner.
 *
 * After each job the runner writes `endMark(jobId, attempt)` to standard output and error, so that the pilot can tell whose output it reads;
 * the pilot cuts the marks out. The report of a job does not wait for them.
 */
import type { RemoteError, Usage } from './jobs.ts'

/** The first word of the pilot: where the bundle lies (unpacked, read-only by custom) and how the payload reaches the server. */
export type Hello = { t: 'hello'; bundleFolder: string; serverUrl: string }

export type Text = { text: string } | { file: string }

export type Run = {
  t: 'run'
  jobId: string
  taskId: string
  workflowId: string
  index: number
  attempt: number
  bundle: string
  module: string
  export: string
  common: Text | null
  args: Text
  /** The job's own token, for calls that it makes. */
  token: string
  /** A folder of the job's own, empty at its start, removed after its end: its working directory. Large results are written there. */
  folder: string
}

/** The job has a slot again: deliver what it awaited. */
export type Resumed = { t: 'resumed'; jobId: string }

export type ToRunner = Hello | Run | Resumed

export type Ready = { t: 'ready' }

export type Done = {
  t: 'done'
  jobId: string
  attempt: number
  usage?: Usage
  /** This runner is not fit for another job. */
  last?: boolean
} & ({ ok: true; value: Text } | { ok: false; cause: 'user' | 'bundle'; error: RemoteError })

/** It waits for calls of its own, and for nothing else: its slot may go to others. */
export type Awaiting = { t: 'awaiting'; jobId: string }

/** What it waited for has come; it asks for a slot, and waits for `resumed`. */
export type Woken = { t: 'woken'; jobId: string }

export type FromRunner = Ready | Done | Awaiting | Woken

export const endMark = (jobId: string, attempt: number): string => `\u0000culm:end:${jobId}:${attempt}\u0000\n`

/** The arguments of a call, as the JSON text of this form. Those of the task (`common`) come first; named ones of the job win. */
export type Arguments = { a?: unknown[]; k?: Record<string, unknown> }
