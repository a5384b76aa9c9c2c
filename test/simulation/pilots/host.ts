import { isFault } from '../../../src/lib/fault.ts'
import { authenticate, type Principal } from '../../../src/services/access/authenticate.ts'
import type { Engine } from '../../../src/services/engine/engine.ts'
import type { Chance } from '../chance.ts'
import type { Caller } from '../network.ts'
import { answered, type World } from '../world.ts'
import type { Held, HeldJobs } from './held.ts'
import type { Reports } from './reports.ts'
import type { Threads } from './threads.ts'

/** What a payload has of the pilot that runs it. */
export type Host = {
  world: World
  chance: Chance
  /** Reaches servers as long as the pilot lives and is not cut off. */
  caller: Caller
  /** False while the pilot is cut off. */
  reachable: () => boolean
  threads: Threads
  held: HeldJobs
  reports: Reports
}

/** With the token of the payload; undefined when it is refused, which is the end of the payload. */
export const askAsJob = async <T>(
  { world, caller, threads }: Host,
  { job: { jobId, token } }: Held,
  what: string,
  handle: (engine: Engine, principal: Principal) => Promise<T>,
): Promise<T | undefined> => {
  const request = {
    what: `${jobId} ${what}`,
    handle: async (engine: Engine) => handle(engine, await authenticate(engine, `Bearer ${token}`)),
  }
  const reply = await answered(world, caller, request, threads.sleep)
  if (!isFault(reply)) return reply as T
  if (!['unauthenticated', 'workflow_ended'].includes(reply.code))
    world.referee.broken.push(`${jobId} ${what} was refused: ${reply.code} ${reply.message}`)
  return undefined
}
