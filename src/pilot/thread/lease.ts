import type { Client } from '../../contract/client.ts'
import type { RenewalReply } from '../../contract/pilots.ts'
import { sleep } from '../../lib/clock.ts'
import { sha256 } from '../../lib/digest.ts'
import { isFault } from '../../lib/fault.ts'
import type { FromSecond, Held, ToSecond } from './messages.ts'

type Serve = Extract<ToSecond, { t: 'serve' }>

export type LeaseOptions = {
  client: Client
  tell: (message: FromSecond) => void
  /** How long the main thread may take to say what it holds before the lease is renewed without, ms. */
  patienceMs?: number
  /** Pause between tries while the server is away, ms. */
  retryMs?: number
}

/**
 * Renews the lease of all that the pilot holds. A busy main thread does not keep it from that: then the digest is the last one known, and a mismatch
 * waits for the next time, since a list that is out of date would give back jobs that have just come.
 */
export class Lease {
  readonly #client: Client
  readonly #tell: (message: FromSecond) => void
  readonly #patienceMs: number
  readonly #retryMs: number
  #who: Serve | null = null
  #held: Held[] = []
  #nextClaim = 1
  #heard: (() => void) | null = null

  constructor({ client, tell, patienceMs = 1000, retryMs = 1000 }: LeaseOptions) {
    this.#client = client
    this.#tell = tell
    this.#patienceMs = patienceMs
    this.#retryMs = retryMs
  }

  serve(who: Serve): void {
    const first = this.#who === null
    this.#who = who
    if (first) void this.#renewForEver()
  }

  held(list: Held[], nextClaim: number): void {
    this.#held = list
    this.#nextClaim = nextClaim
    this.#heard?.()
  }

  async #renewForEver(): Promise<never> {
    for (;;) {
      await sleep(this.#who!.renewSeconds * 1000)
      while (!(await this.#renewed(this.#who!))) await sleep(this.#retryMs)
    }
  }

  /** False when the server was not there. */
  async #renewed(who: Serve): Promise<boolean> {
    try {
      await this.#ask()
      const reply = await this.#renew(who, undefined)
      const settled = reply.matches || !(await this.#ask()) ? reply : await this.#renew(who, this.#held)
      this.#tell({ t: 'renewed', cancel: settled.cancel, drop: settled.drop })
    } catch (error) {
      if (!isFault(error, 'pilot_unknown') && !isFault(error, 'pilot_replaced')) return false
      this.#tell({ t: 'refused', code: error.code, message: error.message, epoch: who.epoch })
    }
    return true
  }

  #renew({ pilotId, epoch }: Serve, list: Held[] | undefined): Promise<RenewalReply> {
    const body = {
      epoch,
      held: digestOf(this.#held),
      ...(list ? { list: list as { jobId: `j${number}`; attempt: number }[], nextClaim: this.#nextClaim } : {}),
    }
    return this.#client.call('renew', {
      params: { id: pilotId as `p${number}` },
      body,
      retrySeconds: 0,
      answerSeconds: 10,
    })
  }

  /** Whether the main thread has said in time what it holds. */
  async #ask(): Promise<boolean> {
    const enough = new AbortController()
    let answered = false
    this.#heard = () => {
      answered = true
      enough.abort()
    }
    this.#tell({ t: 'whatIsHeld' })
    await sleep(this.#patienceMs, enough.signal)
    this.#heard = null
    return answered
  }
}

export const digestOf = (held: readonly Held[]): string =>
  sha256(
    held
      .map(({ jobId, attempt }) => `${jobId}:${attempt}`)
      .sort()
      .join(' '),
  )
