import type { Client } from '../contract/client.ts'
import type { ClaimReply } from '../contract/pilots.ts'
import { backoffMs } from '../lib/backoff.ts'
import { sleep } from '../lib/clock.ts'
import { isFault, messageOf } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { Attempts } from './attempts.ts'
import type { Registration } from './registration.ts'

/**
 * With all cores taken a claim is still held open, for 0 cores, so that cancels come at once. It is given up when a core is free; since that costs a
 * connection, jobs shorter than this never make one, ms.
 */
const lullMs = 100

/** The server may take so much longer to answer than it was asked to hold the claim, s. */
const spareSeconds = 15

/** A reason of one's own: without one, every `abort` would make an error with a stack (30 µs, measured). */
const coresFree = 'cores are free'
const gpusFree = 'GPUs are free'

type Ask = { cores: number; jobs: number; memoryMb?: number; gpus?: number }

/**
 * Keeps one claim open as long as the pilot takes jobs. A claim for cores is never given up: its answer may hold jobs, so it is repeated with its number
 * until it is answered; also when there are GPUs that it did not know of, which would wait for its end otherwise. A claim for 0 cores holds none, and may be.
 */
export class Claims {
  readonly #client: Client
  readonly #registration: Registration
  readonly #attempts: Attempts
  readonly #log: Log
  readonly #waitSeconds: number
  #claimSeq = 1
  #epoch = 0
  #stopped = false
  /** Ends a wait that has no reason any more. */
  #nap: AbortController | null = null
  #open: AbortController | null = null
  /** GPUs that the open claim knows of. */
  #askedGpus = 0

  constructor({
    client,
    registration,
    attempts,
    log,
    waitSeconds,
  }: { client: Client; registration: Registration; attempts: Attempts; log: Log; waitSeconds: number }) {
    this.#client = client
    this.#registration = registration
    this.#attempts = attempts
    this.#log = log
    this.#waitSeconds = waitSeconds
  }

  /** Claims until `stop`. Throws when this pilot was replaced. */
  async run(): Promise<void> {
    let idle = 0
    while (!this.#stopped) {
      if (this.#attempts.room === 0) await this.#napFor(lullMs)
      if (this.#stopped) return
      const began = performance.now()
      const reply = await this.#claim(this.#ask())
      const fresh = reply !== null && this.#attempts.take(reply)
      // The server names what is to be cancelled until it has ended, which would make this a busy loop meanwhile.
      idle = fresh || performance.now() - began > 1000 || reply === null ? 0 : idle + 1
      if (idle > 1) await this.#napFor(backoffMs(idle - 1, { baseMs: 10, maxMs: 250 }))
    }
  }

  /** Number of the claim that is made next, or whose answer has not come. */
  get next(): number {
    return this.#claimSeq
  }

  coresFreed(): void {
    this.#nap?.abort(coresFree)
    if ((this.#attempts.freeGpus ?? 0) > this.#askedGpus) this.#open?.abort(gpusFree)
  }

  stop(): void {
    this.#stopped = true
    this.#nap?.abort()
    this.#open?.abort()
  }

  #ask(): Ask {
    const cores = this.#attempts.room
    const { freeMemoryMb: memoryMb, freeGpus: gpus } = this.#attempts
    return {
      ...{ cores, jobs: Math.min(cores, 5000) },
      ...(memoryMb === undefined ? {} : { memoryMb }),
      ...(gpus === undefined ? {} : { gpus }),
    }
  }

  /** The answer; null when the claim was given up. */
  async #claim(ask: Ask): Promise<ClaimReply | null> {
    let open = this.#opens(ask)
    for (let n = 1; ; n++) {
      const { pilotId, epoch } = this.#registration.current
      if (epoch !== this.#epoch) [this.#epoch, this.#claimSeq] = [epoch, 1]
      try {
        const reply = await this.#client.call('claim', {
          params: { id: pilotId },
          body: { epoch, claimSeq: this.#claimSeq, ...ask, waitSeconds: this.#waitSeconds },
          repeat: true,
          retrySeconds: Number.POSITIVE_INFINITY,
          answerSeconds: this.#waitSeconds + spareSeconds,
          signal: open.signal,
        })
        this.#claimSeq++
        return reply
      } catch (error) {
        if (open.signal.reason === gpusFree && !this.#stopped) {
          ask = { ...ask, gpus: this.#attempts.freeGpus }
          open = this.#opens(ask)
        } else if (open.signal.aborted) {
          this.#claimSeq++
          return null
        } else await this.#mend(error, epoch, n)
      }
    }
  }

  #opens({ cores, gpus = 0 }: Ask): AbortController {
    const open = new AbortController()
    this.#open = open
    this.#askedGpus = gpus
    if (cores === 0) this.#nap = open
    return open
  }

  async #mend(error: unknown, epoch: number, n: number): Promise<void> {
    try {
      await this.#registration.mend(error, epoch)
    } catch (unmended) {
      if (isFault(unmended, 'pilot_replaced')) throw unmended
      this.#log.error({ error: messageOf(unmended) }, 'the server does not answer a claim')
      await sleep(backoffMs(n, { baseMs: 200, maxMs: 30_000 }), this.#open?.signal)
    }
  }

  async #napFor(ms: number): Promise<void> {
    const nap = new AbortController()
    this.#nap = nap
    await sleep(ms, nap.signal)
  }
}
