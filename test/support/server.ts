import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { silentLog } from '../../src/lib/log.ts'
import { openEngine } from '../../src/main/openEngine.ts'
import { openSecretKeys } from '../../src/main/secretKeys.ts'
import { serve } from '../../src/main/serve.ts'
import { admitToken } from '../../src/services/access/authenticate.ts'
import type { Engine, Limits } from '../../src/services/engine/engine.ts'
import { ensurePerson } from '../../src/store/people.ts'
import { atEnd } from './atEnd.ts'
import { freshDatabase } from './database.ts'

export type TestServer = {
  engine: Engine
  url: string
  userToken: string
  pilotToken: string
  /** A client of a person of that name; each has a token of his own. */
  person: (name: string, experimentId?: number) => Promise<Client>
  user: Client
  pilot: Client
  client: (token: string | null) => Client
}

/** A whole server on a database of its own: API and agents, without pilots. */
export const startTestServer = async ({
  limits,
  agents = true,
}: {
  limits?: Limits
  agents?: boolean
} = {}): Promise<TestServer> => {
  const db = await freshDatabase()
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-storage-'))
  const { engine, close } = await openEngine({
    database: db.config,
    storageFolder: folder,
    log: silentLog,
    connections: 6,
    limits,
    secretKeys: openSecretKeys(folder, {}),
  })
  const { url, stop } = await serve(engine, { server: { host: '127.0.0.1', port: 0 }, agents })
  const clients: Client[] = []
  const client = (token: string | null) => {
    const made = makeClient({ url: url!, token, retrySeconds: 5 })
    clients.push(made)
    return made
  }
  const newToken = () => randomBytes(24).toString('base64url')
  const tokenOf = async (name: string, experimentId = 1) => {
    const token = newToken()
    const personId = await ensurePerson(engine.db, { experimentId, name, admin: false, now: engine.clock() })
    await admitToken(engine, token, { personId, note: 'test' })
    return token
  }
  const userToken = await tokenOf('ann')
  const pilotToken = newToken()
  await admitToken(engine, pilotToken, { queueId: 1, note: 'test' })
  atEnd(async () => {
    await Promise.all(clients.map((c) => c.close()))
    await stop()
    await close()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    engine,
    url: url!,
    userToken,
    pilotToken,
    person: async (name, experimentId) => client(await tokenOf(name, experimentId)),
    user: client(userToken),
    pilot: client(pilotToken),
    client,
  }
}

/** Waits until `look` gives something, asking often; fails with what it last saw. */
export const eventually = async <T>(
  look: () => Promise<T | undefined | false>,
  what: string,
  withinMs = 10_000,
): Promise<T> => {
  const until = performance.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
