import type { Fault } from '../../src/lib/fault.ts'
import { isFault } from '../../src/lib/fault.ts'
import type { Database } from '../../src/store/db.ts'
import type { Chance } from './chance.ts'
import type { Chronicle } from './chronicle.ts'
import type { Model } from './model.ts'
import { type Caller, type Network, NoAnswer, type Request } from './network.ts'
import type { Plan } from './plan.ts'
import type { Referee } from './referee.ts'
import type { Servers } from './servers.ts'
import type { Timeline } from './timeline.ts'

/** Everything that one seed has. */
export type World = {
  plan: Plan
  chance: Chance
  timeline: Timeline
  chronicle: Chronicle
  db: Database
  servers: Servers
  network: Network
  model: Model
  referee: Referee
  /** Nothing fails any more. */
  isCalm: boolean
}

/** Asks until there is an answer: what it gives, or the fault it was refused with. `pause` is how the caller waits; it throws when he is gone. */
export const answered = async <T>(
  world: World,
  caller: Caller,
  request: Request<T>,
  pause: (ms: number) => Promise<void> = world.timeline.sleep,
): Promise<T | Fault> => {
  for (let n = 0; ; n++) {
    try {
      return await world.network.ask(caller, request)
    } catch (error) {
      if (isFault(error)) return error
      if (!(error instanceof NoAnswer)) throw error
    }
    await pause(Math.min(3000, 100 * 2 ** n))
  }
}
