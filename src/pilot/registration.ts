import type { Client } from '../contract/client.ts'
import type { NewPilot, RegisteredPilot } from '../contract/pilots.ts'
import { sleep } from '../lib/clock.ts'
import { isFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'

/** A server that forgets a pilot again and again must not be asked without a pause, ms. */
const calmMs = 200

/** Longer than the lease of a pilot that died (45 s). One that is heard for longer lives, and this one has its folder without right, ms. */
const elsewhereMs = 60_000
const askAgainMs = 5000

/** Who this pilot is to the server: its id, and the epoch of this start. Registers again when the server no longer knows it. */
export class Registration {
  readonly #client: Client
  readonly #as: Omit<NewPilot, 'start'>
  readonly #nextStart: () => Promise<number>
  readonly #log: Log
  readonly #onRegistered: (registered: RegisteredPilot) => void
  #current: RegisteredPilot | null = null
  #again: Promise<void> | null = null

  constructor({
    client,
    as,
    nextStart,
    log,
    onRegistered,
  }: {
    client: Client
    as: Omit<NewPilot, 'start'>
    /** A number larger than those of all earlier starts, so that a request which is repeated, or late, is known for what it is. */
    nextStart: () => Promise<number>
    log: Log
    onRegistered: (registered: RegisteredPilot) => void
  }) {
    this.#client = client
    this.#as = as
    this.#nextStart = nextStart
    this.#log = log
    this.#onRegistered = onRegistered
  }

  get done(): boolean {
    return this.#current !== null
  }

  get current(): RegisteredPilot {
    if (!this.#current) throw new Error('the pilot has not registered yet')
    return this.#current
  }

  /** Waits for the server as long as it is away, and for an earlier self on another machine as long as that may be dead without the server knowing it yet. */
  async register(signal?: AbortSignal): Promise<void> {
    const until = performance.now() + elsewhereMs
    const body = { ...this.#as, start: await this.#nextStart() }
    for (;;) {
      try {
        this.#current = await this.#client.call('registerPilot', {
          body,
          repeat: true,
          retrySeconds: Number.POSITIVE_INFINITY,
          signal,
        })
        break
      } catch (error) {
        if (!isFault(error, 'pilot_elsewhere') || performance.now() > until || signal?.aborted) throw error
        this.#log.warn({ error: error.message }, 'a pilot of this name was just heard elsewhere; this one waits')
        await sleep(askAgainMs, signal)
      }
    }
    this.#log.info({ pilotId: this.#current.pilotId, epoch: this.#current.epoch, queue: this.#as.queue }, 'registered')
    this.#onRegistered(this.#current)
  }

  /**
   * What to do about an error that came to a request of `epoch`: registers again when the pilot is unknown, lets an answer to an older epoch pass, and
   * throws everything else; above all `pilot_replaced`, for then a newer start of this pilot has its jobs.
   */
  async mend(error: unknown, epoch: number): Promise<void> {
    if (isFault(error, 'pilot_replaced') && epoch !== this.current.epoch) return
    if (!isFault(error, 'pilot_unknown')) throw error
    if (epoch !== this.current.epoch) return
    this.#log.warn({ pilotId: this.current.pilotId }, 'the server does not know this pilot; it registers again')
    this.#again ??= sleep(calmMs)
      .then(() => this.register())
      .finally(() => {
        this.#again = null
      })
    await this.#again
  }
}
