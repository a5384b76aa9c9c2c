import { type Fault, isFault } from '../../../src/lib/fault.ts'
import type { Principal } from '../../../src/services/access/authenticate.ts'
import type { Engine } from '../../../src/services/engine/engine.ts'
import { answered } from '../world.ts'
import type { SimulatedUser } from './user.ts'

type Handle<T> = (engine: Engine, principal: Principal) => Promise<T>

/** Asks as that user until there is an answer: what it gives, or the fault it was refused with. */
export const ask = <T>(
  { world, caller, principal }: SimulatedUser,
  what: string,
  handle: Handle<T>,
): Promise<T | Fault> => answered(world, caller, { what, handle: (engine) => handle(engine, principal) })

/** Where no refusal is expected, beside those named. */
export const must = async <T>(
  user: SimulatedUser,
  what: string,
  handle: Handle<T>,
  expected: string[] = [],
): Promise<T> => {
  const reply = await ask(user, what, handle)
  if (isFault(reply) && !expected.includes(reply.code))
    user.world.referee.broken.push(`${user.name} ${what} was refused: ${reply.code} ${reply.message}`)
  return reply as T
}

/** The number in the id of something that is there. */
export const num = (id: string | undefined): number => Number(id!.slice(1))
