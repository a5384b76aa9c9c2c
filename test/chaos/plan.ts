import * as crashPoint from './faults/crashPoint.ts'
import * as database from './faults/database.ts'
import * as disks from './faults/disks.ts'
import type { Fault } from './faults/fault.ts'
import * as network from './faults/network.ts'
import * as processes from './faults/processes.ts'
import { between, seeded, shuffled } from './random.ts'
import type { World } from './world.ts'

export type PlannedFault = { atSeconds: number; fault: Fault; seed: number }

const { serversAwayLong, pilotBack: _, ...ofProcesses } = processes

/** Once each in every round. */
const everyRound: Fault[] = [ofProcesses, network, database, disks, crashPoint].flatMap((module) =>
  Object.values(module).filter((value): value is Fault => typeof value === 'object'),
)

/** Those that leave little else to do meanwhile: once in so many rounds. */
const rare: { fault: Fault; everyRounds: number }[] = [{ fault: serversAwayLong, everyRounds: 3 }]

/** All faults in a random order, again and again, until the time is over: the same seed gives the same plan. */
export const planFaults = (
  world: World,
  { seed, seconds, only }: { seed: number; seconds: number; only: string[] },
): PlannedFault[] => {
  const random = seeded(seed)
  const chosen = (fault: Fault) =>
    (fault.possible?.(world) ?? true) && (only.length === 0 || only.some((word) => fault.kind.includes(word)))
  const plan: PlannedFault[] = []
  let at = 0
  for (let round = 1; at < seconds; round++) {
    const ofRound = [
      ...everyRound,
      ...rare.filter((r) => round % r.everyRounds === 0 || only.length > 0).map((r) => r.fault),
    ]
    const faults = shuffled(random, ofRound.filter(chosen))
    if (faults.length === 0) break
    for (const fault of faults) {
      const planned = { atSeconds: Math.round(at * 10) / 10, fault, seed: Math.floor(random() * 2 ** 31) }
      if (at + fault.seconds <= seconds + 40) plan.push(planned)
      at += between(random, 2, 7)
    }
  }
  return plan
}
