export type LaneFacts = {
  laneId: number
  cores: number
  memoryMb: number
  gpus: number
  /** Everything up to this rank is known to be claimed: a hint. */
  low: number
  /** False when the last look found nothing, and nobody has rung since. */
  mayHaveWork: boolean
}

export type Room = { cores: number; memoryMb: number | null; gpus: number; jobs: number }

export type ClaimPlan = {
  cores: number
  memoryMb: number
  gpus: number
  limit: number
  lanes: { laneId: number; low: number; n: number }[]
}

/**
 * The next statement of a claim: lanes of one class, the largest that fits first, since what fits then shrinks; before them those that want GPUs, which others would keep
 * idle by taking their cores. Fitting is a property of the lane, so no
 * row is walked and refused. (One share so far: within a class lanes are taken in the order given; the order of deficit comes with the tree of shares.)
 * undefined when nothing can be asked for.
 */
export const planClaim = (lanes: readonly LaneFacts[], room: Room): ClaimPlan | undefined => {
  const fitting = lanes
    .filter((lane) => lane.mayHaveWork && jobsThatFit(lane, room) > 0)
    .sort((a, b) => b.gpus - a.gpus || b.cores - a.cores || b.memoryMb - a.memoryMb)
  const first = fitting[0]
  if (!first) return undefined
  const limit = jobsThatFit(first, room)
  const { cores, memoryMb, gpus } = first
  const ofClass = fitting.filter((lane) => lane.cores === cores && lane.memoryMb === memoryMb && lane.gpus === gpus)
  return {
    ...{ cores, memoryMb, gpus },
    limit,
    lanes: ofClass.map(({ laneId, low }) => ({ laneId, low, n: limit })),
  }
}

export const jobsThatFit = (lane: Pick<LaneFacts, 'cores' | 'memoryMb' | 'gpus'>, room: Room): number =>
  Math.min(
    room.jobs,
    Math.floor(room.cores / lane.cores),
    room.memoryMb === null || lane.memoryMb === 0
      ? Number.POSITIVE_INFINITY
      : Math.floor(room.memoryMb / lane.memoryMb),
    lane.gpus === 0 ? Number.POSITIVE_INFINITY : Math.floor(room.gpus / lane.gpus),
  )
