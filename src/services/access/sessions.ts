import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { fault } from '../../contract/faults.ts'
import * as store from '../../store/sessions.ts'
import type { Engine } from '../engine/engine.ts'
import { authenticate, forgetTokens, type Principal, tokenHash, tokenHolder, trusted } from './authenticate.ts'
import { userOnly } from './rights.ts'

/** Without use a session ends after so long, s. */
export const sessionSeconds = 12 * 3600

/** Its use is noted at most so often, s: pages ask several times a second. */
const notedSeconds = 60

/** A session of whoever this token speaks for. What is given back is kept by his browser alone. */
export const beginSession = async (engine: Engine, header: string | undefined): Promise<string> => {
  userOnly(await authenticate(engine, header))
  const session = randomBytes(32).toString('base64url')
  const tokenOfIt = tokenHash(header!.slice('Bearer '.length))
  await store.insertSession(engine.db, { hash: tokenHash(session), tokenHash: tokenOfIt, now: engine.clock() })
  return session
}

/** Whom a session stands for: as long as its token holds, and it was used of late. */
export const sessionHolder = (engine: Engine, session: string): Promise<Principal> =>
  trusted(engine, `session ${session}`, async (now) => {
    const hash = tokenHash(session)
    const row = await store.sessionByHash(engine.db, hash, longAgo(now))
    if (!row) throw fault('unauthenticated', 'the session is over: sign in again (`culm open`)')
    const principal = await tokenHolder(engine, row.tokenHash, now)
    if (now.getTime() - row.seenAt.getTime() > notedSeconds * 1000) await store.seeSession(engine.db, hash, now)
    return principal
  })

export const endSession = async (engine: Engine, session: string): Promise<boolean> => {
  const ended = await store.deleteSession(engine.db, tokenHash(session))
  forgetTokens(engine)
  return ended > 0
}

export const forgetSessions = (engine: Engine): Promise<number> =>
  store.forgetSessions(engine.db, longAgo(engine.clock()))

const longAgo = (now: Date): Date => new Date(now.getTime() - sessionSeconds * 1000)

/** A word that pages of this server can read, and pages of others cannot: who sends it beside the cookie is one of ours. */
export const csrfOf = (engine: Engine, session: string): string =>
  createHmac('sha256', engine.keys.sessions).update(tokenHash(session)).digest('base64url')

export const mustBearCsrf = (engine: Engine, session: string, word: string | undefined): void => {
  const [given, expected] = [Buffer.from(word ?? ''), Buffer.from(csrfOf(engine, session))]
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw fault('csrf_missing')
}
