import type { Chance } from './chance.ts'

/** How often things go wrong: shares of draws, or mean times between them, s (0: never). */
export type Faults = {
  latencyMs: number
  requestLost: number
  replyLost: number
  deliveredTwice: number
  ringLost: number
  statementFails: number
  commitUnheard: number
  serverKilledEvery: number
  outageEvery: number
  pilotCrashesEvery: number
  pilotCutOffEvery: number
  pilotLeavesEvery: number
  /** Of reports that were acknowledged, sent again with other contents. */
  reportedAgain: number
  userCancels: number
  userRetries: number
  userPauses: number
}

/** What one seed is about. */
export type Plan = {
  faults: Faults
  servers: number
  /** The first serves `local`, and has GPUs. */
  pilots: { slots: number; memoryMb: number | undefined; gpus: number; queue: string }[]
  /** Mean running time of a job, ms. */
  jobMs: number
  users: number
  /** Users submit within this time, ms. */
  arrivalMs: number
  /** How much longer than in production an agent waits before it works. */
  slowness: number
  /** So many jobs are moved in one transaction where a whole task is: few, so that things come between the pages of a task of tens of jobs. */
  jobsAtOnce: number
  /** After this time nothing fails any more, ms: what is left must come to its end. */
  calmAfterMs: number
}

/** Each kind of fault is there in some seeds and not in others: what always comes together hides what one alone would show. */
export const planOf = (chance: Chance, jobs: number): Plan => {
  const maybe = (p: number, rate: () => number) => (chance.happens(p) ? rate() : 0)
  const slots = Math.max(24, Math.ceil(jobs / chance.between(12, 40)))
  const pilots = chance.whole(2, 12)
  return {
    faults: {
      latencyMs: chance.pick([0.5, 3, 30]),
      requestLost: maybe(0.6, () => chance.between(0, 0.05)),
      replyLost: maybe(0.6, () => chance.between(0, 0.08)),
      deliveredTwice: maybe(0.5, () => chance.between(0, 0.05)),
      ringLost: maybe(0.5, () => chance.between(0, 0.5)),
      statementFails: maybe(0.4, () => chance.between(0, 0.003)),
      commitUnheard: maybe(0.4, () => chance.between(0, 0.003)),
      serverKilledEvery: maybe(0.6, () => chance.between(5, 80)),
      outageEvery: maybe(0.5, () => chance.between(20, 120)),
      pilotCrashesEvery: maybe(0.6, () => chance.between(8, 120)),
      pilotCutOffEvery: maybe(0.6, () => chance.between(8, 120)),
      pilotLeavesEvery: maybe(0.5, () => chance.between(8, 120)),
      reportedAgain: maybe(0.6, () => chance.between(0, 0.1)),
      userCancels: maybe(0.7, () => chance.between(0, 0.4)),
      userRetries: maybe(0.7, () => chance.between(0.2, 1)),
      userPauses: maybe(0.6, () => chance.between(0.1, 0.7)),
    },
    servers: chance.happens(0.3) ? 2 : 1,
    pilots: Array.from({ length: pilots }, (_, i) => ({
      slots: Math.max(4, Math.ceil((slots / pilots) * chance.between(0.3, 1.7))),
      memoryMb: chance.happens(0.3) ? 64_000 * Math.ceil(slots / 24) : undefined,
      gpus: i === 0 || chance.happens(0.3) ? chance.whole(1, 4) : 0,
      queue: i > 0 && chance.happens(0.4) ? 'far' : 'local',
    })),
    jobMs: chance.pick([200, 2000, 8000, 20_000]),
    users: chance.whole(1, 4),
    arrivalMs: chance.between(5_000, 90_000),
    slowness: chance.pick([1, 4, 10]),
    calmAfterMs: chance.between(150_000, 400_000),
    jobsAtOnce: chance.pick([3, 10, 1000]),
  }
}
