import type { AttemptCause, HeldBy } from '../../domain/job/causes.ts'
import type { JobState } from '../../domain/job/states.ts'

/** What is known of a job that someone asks about. */
export type JobFacts = {
  id: string
  state: JobState
  attempt: number
  unmet: number
  taskId: string
  heldBy: HeldBy | null
  cancelAsked: boolean
  /** How it ended, if it did. */
  cause: AttemptCause | null
  error: { type: string; message: string } | null
  exitCode: number | null
  signal: string | null
  maxRssMb: number | null
  wallSeconds: number | null
  /** What it asks for. */
  cores: number
  memoryMb: number | null
  gpus: number
  wallSecondsLimit: number | null
  /** Its parents that have not finished. */
  waitsFor: { id: string; state: string }[]
  /** When its back-off ends. */
  retryAt: Date | null
  retryWhy: string | null
  /** Its value is to be posted to its callback: since when it waits for that, and how long it will. */
  callback: { since: Date; until: Date } | null
  /** The pilot that has it. */
  pilot: { id: string; state: string; host: string; seenAt: Date } | null
  earlierCauses: AttemptCause[]
  queues: QueueFacts[]
  /** The job whose stored result this one took. */
  reusedFrom: string | null
  /** Why it took none, though it might have. */
  notReused: string | null
}

export type QueueFacts = {
  name: string
  state: string
  pilots: number
  slots: number
  largestSlots: number
  gpus: number
  largestGpus: number
  /** Null: not known. */
  largestMemoryMb: number | null
  running: number
  waitingBefore: number
}
