import { z } from 'zod'
import { at, jobId, taskId } from './base.ts'
import { logChunk, move, outcome } from './jobs.ts'
import { jobCounts } from './tasks.ts'

/**
 * What the stream of a workflow sends (server-sent events: `event:` is the kind, `data:` the JSON). `id:` is a cursor for `Last-Event-ID`: everything
 * up to it has been sent, so a client that resumes by it misses nothing, and may see some notices twice.
 */
export const notices = {
  outcome: outcome.meta({ description: 'A job has ended' }),
  outcomes: z
    .array(outcome)
    .meta({ description: 'Jobs that have ended, each once: instead of `outcome`, for those who want many' }),
  progress: z
    .object({ taskId, name: z.string(), state: z.string(), counts: jobCounts, at })
    .meta({ description: 'A task’s counters changed' }),
  move: move.meta({ description: 'The workflow or a task of it changed its state' }),
  awaiting: z.object({ jobId }).meta({ description: 'A job waits for calls of its own' }),
  log: logChunk.extend({ jobId }),
  ping: z.object({ at }).meta({ description: 'Sent every 15 s, so that a dead connection is noticed' }),
} as const

export type NoticeKind = keyof typeof notices
export type Notice = { [K in NoticeKind]: { kind: K; data: z.infer<(typeof notices)[K]> } }[NoticeKind]
