import type { Client } from '../contract/client.ts'
import type { Report, ReportsReply } from '../contract/pilots.ts'
import { backoffMs } from '../lib/backoff.ts'
import { type Batcher, makeBatcher } from '../lib/batcher.ts'
import { sleep } from '../lib/clock.ts'
import { isFault, messageOf } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { failed } from './failure.ts'
import type { Registration } from './registration.ts'

type Answer = ReportsReply['answers'][number]

/** A batch weighs at most 5 MB of values, so that no request comes near the server's limit. */
const maxWeight = 5000
const bytesPerWeight = 1000

/** Reports on their way: the first at once, what comes meanwhile together; each until the server has acknowledged it. */
export class ReportOutbox {
  readonly #client: Client
  readonly #registration: Registration
  readonly #log: Log
  readonly #deliver: Batcher<Report, Answer>
  readonly #signal: AbortSignal
  readonly #onReplaced: (error: unknown) => void
  #waiting = 0
  #whenEmpty: (() => void)[] = []

  /** `signal`: the end of the pilot; what is not acknowledged by then never will be. */
  constructor({
    client,
    registration,
    log,
    signal,
    onReplaced,
    watch,
  }: {
    client: Client
    registration: Registration
    log: Log
    signal: AbortSignal
    onReplaced: (error: unknown) => void
    /** Told of each request: how many reports it has, and how long the first of them has waited, s. */
    watch?: (items: number, waitSeconds: number) => void
  }) {
    this.#client = client
    this.#registration = registration
    this.#log = log
    this.#signal = signal
    this.#onReplaced = onReplaced
    this.#deliver = makeBatcher({ run: (reports) => this.#post(reports), maxItems: maxWeight, weightOf, watch })
  }

  get size(): number {
    return this.#waiting
  }

  /** Resolves with the server's answer; with null when there will be none, since this pilot ends or was replaced. */
  async report(report: Report): Promise<Answer | null> {
    this.#waiting++
    try {
      return await this.#untilAnswered(report)
    } catch (error) {
      if (!this.#signal.aborted) this.#onReplaced(error)
      return null
    } finally {
      if (--this.#waiting === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve()
    }
  }

  empty(): Promise<void> {
    return this.#waiting === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  async #untilAnswered(report: Report): Promise<Answer> {
    let told = report
    for (let n = 1; ; n++) {
      try {
        return await this.#deliver(told)
      } catch (error) {
        if (this.#signal.aborted || isFault(error, 'pilot_replaced')) throw error
        this.#log.error(
          { error: messageOf(error), jobId: report.jobId, what: report.what },
          'the server did not take a report',
        )
        if (isRefusal(error)) told = withoutContent(told, error)
        await sleep(backoffMs(n, { baseMs: 200, maxMs: 10_000 }), this.#signal)
      }
    }
  }

  async #post(reports: Report[]): Promise<Answer[]> {
    for (;;) {
      const { pilotId, epoch } = this.#registration.current
      try {
        const { answers } = await this.#client.call('report', {
          params: { id: pilotId },
          body: { epoch, reports },
          repeat: true,
          retrySeconds: Number.POSITIVE_INFINITY,
          signal: this.#signal,
        })
        return answers
      } catch (error) {
        await this.#registration.mend(error, epoch)
      }
    }
  }
}

const weightOf = ({ value, error }: Report): number => {
  const bytes =
    (value && 'text' in value ? value.text.length : 0) + (error?.stack?.length ?? 0) + (error?.message.length ?? 0)
  return 1 + Math.floor(bytes / bytesPerWeight)
}

/** The server will never take it as it is; another server error may pass. */
const isRefusal = (error: unknown): boolean => isFault(error) && refusals.has(error.code)
const refusals = new Set([
  'malformed_json',
  'invalid_input',
  'invalid_id',
  'invalid_text',
  'value_too_large',
  'body_too_large',
  'blob_unknown',
])

/** The end of a job must be told, even when what it gave cannot be. */
const withoutContent = ({ jobId, attempt, what, startedAt, endedAt }: Report, error: unknown): Report => {
  const head = { jobId, attempt, ...(startedAt ? { startedAt } : {}), ...(endedAt ? { endedAt } : {}) }
  if (what !== 'finished' && what !== 'deferred' && what !== 'failed') return { ...head, what }
  const { cause, error: told } = failed(
    'runner',
    'ReportRefused',
    `the server did not take how it ${what}: ${messageOf(error)}`,
  )
  return { ...head, what: 'failed', cause, error: told }
}
