import { jobsThatFit, type LaneFacts, type Room } from './plan.ts'

/** Jobs that are being submitted, all of one lane. */
export type Offer = Pick<LaneFacts, 'cores' | 'memoryMb' | 'gpus'> & { queueIds: readonly number[]; jobs: number }

/** A claim that found no work and is held open. */
export type OpenRoom = { queueId: number; room: Room }

/** So many of the next jobs of an offer go to that claim. */
export type HandOver = { claim: number; jobs: number }

/**
 * Which claims get how many of the first jobs of each offer: who has waited longest comes first, and gets all that fits, as if its claim had come a moment later. Nobody is
 * passed over by that: a claim is open only since all lanes that it could take from are empty.
 */
export const planHandOver = (offers: readonly Offer[], claims: readonly OpenRoom[]): HandOver[][] => {
  const rooms = claims.map(({ room }) => ({ ...room }))
  return offers.map((offer) => {
    const given: HandOver[] = []
    let left = offer.jobs
    for (let claim = 0; claim < claims.length && left > 0; claim++) {
      const room = rooms[claim]!
      const jobs = offer.queueIds.includes(claims[claim]!.queueId) ? Math.min(left, jobsThatFit(offer, room)) : 0
      if (jobs <= 0) continue
      given.push({ claim, jobs })
      left -= jobs
      room.jobs -= jobs
      room.cores -= jobs * offer.cores
      room.gpus -= jobs * offer.gpus
      if (room.memoryMb !== null) room.memoryMb -= jobs * offer.memoryMb
    }
    return given
  })
}
