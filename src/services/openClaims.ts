import type { Room } from '../policy/share/plan.ts'
import type { ClaimedRow } from '../store/claims.ts'

export type OpenClaim = { pilotId: number; epoch: number; claimSeq: number; queueId: number; room: Room }

type Waiting = { taken: () => void; given: Promise<ClaimedRow[]> }

/**
 * The claims that this process holds open since there was no work for them. Who submits work hands it to them in the statement that writes it, which saves it
 * the way through `ready`: a call costs two commits then, not three.
 */
export class OpenClaims {
  /** In the order in which they began to wait. */
  readonly #waiting = new Map<OpenClaim, Waiting>()

  get inOrder(): OpenClaim[] {
    return [...this.#waiting.keys()]
  }

  /** `taken` resolves when somebody has work for the claim; `close` ends the waiting, and gives what it got. */
  open(claim: OpenClaim): { taken: Promise<void>; close: () => Promise<ClaimedRow[]> } {
    const waiting: Waiting = { taken: () => {}, given: Promise.resolve([]) }
    const taken = new Promise<void>((resolve) => {
      waiting.taken = resolve
    })
    this.#waiting.set(claim, waiting)
    const close = () => {
      this.#waiting.delete(claim)
      return waiting.given
    }
    return { taken, close }
  }

  /** These claims wait for nothing else until it is known what they get; nothing, when that fails. */
  hand(claims: readonly OpenClaim[], coming: Promise<Map<OpenClaim, ClaimedRow[]>>): void {
    for (const claim of claims) {
      const waiting = this.#waiting.get(claim)
      if (!waiting) continue
      this.#waiting.delete(claim)
      waiting.given = coming.then(
        (given) => given.get(claim) ?? [],
        () => [],
      )
      void waiting.given.then(waiting.taken)
    }
  }
}
