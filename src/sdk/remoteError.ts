import type { Outcome } from '../contract/jobs.ts'
import { stackLines } from './stackLines.ts'

/** Why a job has no value: the cause of its last attempt, or how it ended when no attempt is to blame. */
export type FailureKind = NonNullable<Outcome['cause']> | 'closed'

export type RemoteErrorContext = {
  /** What people call it. */
  work: string
  /** An error made where the call was made: its lines come first. */
  callSite: Error
  /** Where the sources of the remote code are on this machine. */
  bundle?: { hash: string; root?: string }
}

/**
 * What a call throws when its job failed or was cancelled. Its stack is that of the call, followed by that of the
 * remote error; both have lines of the user's own files.
 */
export class RemoteError extends Error {
  /**
   * Why: `user` is an error of the function itself, the others are those of `culm explain` (`memory`, `walltime`,
   * `lost` …).
   */
  readonly kind: FailureKind
  /** Class of the remote error, such as `TypeError`; undefined when the function did not throw. */
  readonly remoteType: string | undefined
  /** The stack of the remote error, as the place where it was thrown tells it. */
  readonly remoteStack: string | undefined
  readonly jobId: string
  readonly taskId: string
  /** Number of the attempt that decided it; the first is 1. */
  readonly attempt: number

  constructor(outcome: Outcome, { work, callSite, bundle }: RemoteErrorContext) {
    const { jobId, taskId, attempt, error } = outcome
    const remoteStack = error?.stack && bundle ? inSources(error.stack, bundle) : error?.stack
    const kind =
      outcome.cause ?? (outcome.state === 'failed' ? 'user' : outcome.state === 'closed' ? 'closed' : 'cancelled')
    super(error?.message ?? `${work} was not run to its end: ${kind} (\`culm explain ${jobId}\` says more)`)
    this.name = 'RemoteError'
    this.kind = kind
    this.remoteType = error?.type
    this.remoteStack = remoteStack
    this.jobId = jobId
    this.taskId = taskId
    this.attempt = attempt
    const remote = error
      ? `\n  in ${work} (${jobId} of ${taskId}, attempt ${attempt}):\n${remoteStack ?? `${error.type}: ${error.message}`}`
      : ''
    this.stack = `${this.name}: ${this.message}${stackLines(callSite)}${remote}`
  }
}

/** Workers unpack a bundle into a folder that bears its hash; here its files are the sources themselves. */
const inSources = (stack: string, { hash, root }: { hash: string; root?: string }): string =>
  root === undefined ? stack : stack.replace(new RegExp(`(?:file://)?[^\\s()]*/${hash}/`, 'g'), () => `${root}/`)
