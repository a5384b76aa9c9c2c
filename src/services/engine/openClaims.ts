import type { Room } from '../../policy/share/plan.ts'
import type { ClaimedRow } from '../../store/claims.ts'

export type OpenClaim = { pilotId: number; epoch: number; claimSeq: number; queueId: number; room: Room }

type Waiting = { taken: () => void; given: Promise<ClaimedRow[]> }

/**
 * The claims that this process holds open since there was no work for them. Who submits work hands it to them in the statement that writes it, which saves it
 * the way through `ready`: a call costs two commits then, not three.
 */
export class OpenClaims {
  /** In the order in which they began to wait. */
  readonly #waiting = new Map<OpenClaim, Waiting>()
  /** The one of each pilot that work is handed to: a pilot hears one answer at a time. */
  readonly #ofPilot = new Map<number, OpenClaim>()

  get inOrder(): OpenClaim[] {
    return [...this.#waiting.keys()]
  }

  /**
   * `taken` resolves when somebody has work for the claim; `close` ends the waiting, and gives what it got. A claim that came twice (something on the way delivered it again) waits
   * once, and one that its pilot has given up for a newer one no longer: both would be handed all that the pilot has room for. They find what the other got when they look next.
   */
  open(claim: OpenClaim): { taken: Promise<void>; close: () => Promise<ClaimedRow[]> } {
    const before = this.#ofPilot.get(claim.pilotId)
    if (before && !isNewer(claim, before)) return { taken: new Promise(() => {}), close: async () => [] }
    if (before) this.#waiting.delete(before)
    this.#ofPilot.set(claim.pilotId, claim)
    const waiting: Waiting = { taken: () => {}, given: Promise.resolve([]) }
    const taken = new Promise<void>((resolve) => {
      waiting.taken = resolve
    })
    this.#waiting.set(claim, waiting)
    const close = () => {
      this.#waiting.delete(claim)
      return waiting.given.finally(() => this.#forget(claim))
    }
    return { taken, close }
  }

  #forget(claim: OpenClaim): void {
    if (this.#ofPilot.get(claim.pilotId) === claim) this.#ofPilot.delete(claim.pilotId)
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

const isNewer = (claim: OpenClaim, before: OpenClaim): boolean =>
  claim.epoch > before.epoch || (claim.epoch === before.epoch && claim.claimSeq > before.claimSeq)
