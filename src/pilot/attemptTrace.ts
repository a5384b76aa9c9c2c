import type { ClaimedJob } from '../contract/pilots.ts'
import type { Span, Tracer } from '../lib/trace.ts'

/**
 * One attempt as spans of the trace that its task was submitted in: the whole of it from the claim to the server's answer to its last report, and within that
 * what it took to start, the run, and the report.
 */
export class AttemptTrace {
  readonly #tracer: Tracer
  readonly #whole: Span
  #part: Span

  constructor(tracer: Tracer, { jobId, taskId, attempt }: ClaimedJob, parent: string) {
    this.#tracer = tracer
    const attributes = { 'culm.task': taskId, 'culm.job': jobId, 'culm.attempt': attempt }
    this.#whole = tracer.start('culm.attempt', { parent, kind: 'consumer', attributes })
    this.#part = this.#start('culm.start')
  }

  /** What the payload's own spans name as their parent. */
  get traceparent(): string {
    return this.#whole.traceparent!
  }

  runs(): void {
    this.#next('culm.run')
  }

  ended(error?: string): void {
    this.#part.end({ error })
    this.#part = this.#start('culm.report')
  }

  reported(error?: string): void {
    this.#part.end()
    this.#whole.end({ error })
  }

  #next(name: string): void {
    this.#part.end()
    this.#part = this.#start(name)
  }

  #start(name: string): Span {
    return this.#tracer.start(name, { parent: this.#whole.traceparent })
  }
}
