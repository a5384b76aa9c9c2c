import { fault } from '../../contract/faults.ts'
import { sha256 } from '../../lib/digest.ts'
import type { Db } from '../../store/db.ts'
import { keepReply, keptReply } from '../../store/people.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { OpenClaims } from '../engine/openClaims.ts'
import type { Principal } from './authenticate.ts'

/**
 * One effect per key: `act` runs on an engine whose every statement belongs to one transaction, and its reply is kept in that same transaction. Whoever
 * repeats the request gets the kept reply; another body under the same key is refused.
 */
export const withKey = async <Reply>(
  engine: Engine,
  principal: Principal,
  { route, key, body }: { route: string; key: string; body: unknown },
  act: (engine: Engine) => Promise<Reply>,
): Promise<Reply> => {
  if (principal.kind === 'pilot') throw fault('forbidden', 'a pilot sends no keyed requests')
  const { personId } = principal
  const digest = Buffer.from(sha256(JSON.stringify(body ?? null)), 'hex')
  const known = async (): Promise<Reply | undefined> => {
    const kept = await keptReply(engine.db, personId, route, key)
    if (kept && !kept.body.equals(digest)) throw fault('key_reused', `the key "${key}" was used with another body`)
    return kept && (JSON.parse(kept.reply) as Reply)
  }
  const before = await known()
  if (before) return before
  const told: Effects[] = []
  const reply = await engine.db
    .begin(async (tx) => {
      told.length = 0
      const reply = await act(within(engine, tx, told))
      const kept = await keepReply(tx, {
        personId,
        route,
        key,
        body: digest,
        reply: JSON.stringify(reply),
        now: engine.clock(),
      })
      if (kept === 0) throw new AnotherWasFirst()
      return reply
    })
    .catch((error) => {
      if (error instanceof AnotherWasFirst) return undefined
      throw error
    })
  if (reply === undefined) return (await known()) ?? Promise.reject(fault('key_in_flight'))
  for (const effects of told) engine.tell(effects)
  return reply
}

/** Undoes what the slower of two equal requests did. */
class AnotherWasFirst extends Error {}

const within = (engine: Engine, tx: Db, told: Effects[]): Engine => ({
  ...engine,
  db: { ...engine.db, ...tx, begin: (act) => act(tx) },
  tell: (effects) => told.push(effects),
  // Nobody waits here: a pilot must not hear of jobs before they are committed.
  openClaims: new OpenClaims(),
})
