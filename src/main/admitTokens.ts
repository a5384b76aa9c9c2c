import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { showId } from '../lib/ids.ts'
import { admitToken } from '../services/access/authenticate.ts'
import type { Engine } from '../services/engine/engine.ts'
import { allQueues } from '../store/lanes.ts'
import { ensurePerson, makeOperator } from '../store/people.ts'
import { writeAtomically } from './atomicFile.ts'
import { writeOwner } from './isolation.ts'
import { pilotTokenFile, tokenFile } from './tokens.ts'

/** Made at the first start, and admitted at every start, so that a fresh database under an old home knows them too. */
export const admitHomeTokens = async (
  engine: Engine,
  home: string,
  queue: string,
): Promise<{ userToken: string; pilotToken: string }> => {
  const userToken = await keptToken(tokenFile(home), 'cu_')
  const pilotToken = await keptToken(pilotTokenFile(home, queue), 'cp_')
  const personId = await ensurePerson(engine.db, {
    experimentId: 1,
    name: userName(),
    admin: true,
    now: engine.clock(),
  })
  await makeOperator(engine.db, personId)
  await writeOwner(home, showId('u', personId))
  await admitToken(engine, userToken, { personId, note: 'made at first start' })
  const found = (await allQueues(engine.db)).find((q) => q.name === queue)
  if (found) await admitToken(engine, pilotToken, { queueId: found.id, note: 'made at first start' })
  return { userToken, pilotToken }
}

const keptToken = async (file: string, prefix: string): Promise<string> => {
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
  if (kept.length > 20) return kept
  const token = prefix + randomBytes(32).toString('base64url')
  await writeAtomically(file, `${token}\n`)
  return token
}

/** A container's user may have no name. */
const userName = (): string => {
  try {
    return userInfo().username
  } catch {
    return `uid${process.getuid?.() ?? ''}`
  }
}
