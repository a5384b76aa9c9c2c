import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { fault } from '../../contract/faults.ts'
import { insertToken, teamsOf, tokenByHash } from '../../store/people.ts'
import { heldOf } from '../../store/pilots.ts'
import type { Engine } from '../engine/engine.ts'

/** Whom a request comes from. Everything that asks for rights asks by this. */
export type Principal =
  | {
      kind: 'user'
      personId: number
      name: string
      experimentId: number
      experiment: string
      /** Of the experiment. */
      admin: boolean
      /** Admin of the installation. */
      operator: boolean
      /** When the token that came ends. */
      expiresAt: Date | null
      teams: { id: number; name: string; role: string }[]
    }
  | { kind: 'pilot'; queueId: number; queue: string }
  | {
      kind: 'job'
      jobId: number
      attempt: number
      taskId: number
      workflowId: number
      personId: number
      experimentId: number
    }

export type User = Extract<Principal, { kind: 'user' }>

/** Tokens are long random words, so a plain SHA-256 keeps them as well as a slow hash would. */
export const tokenHash = (token: string): Buffer => createHash('sha256').update(token).digest()

/** So long a token is trusted without asking the database again: a revoked one lives on for this time, s. */
const trustedSeconds = 5

type Known = { principal: Principal; until: number }
const known = new WeakMap<Engine, LRUCache<string, Known>>()

export const authenticate = async (engine: Engine, header: string | undefined): Promise<Principal> => {
  const token = header?.startsWith('Bearer ') ? header.slice(7) : undefined
  if (!token) throw fault('unauthenticated')
  // Not remembered: it holds as long as its attempt is held, and what an old attempt writes must not come through.
  if (token.startsWith('cj.')) return jobOf(engine, token)
  return trusted(engine, token, (now) => tokenHolder(engine, tokenHash(token), now))
}

/** Whom a token or a session stands for, which is looked up again when it has been trusted for long enough. */
export const trusted = async (
  engine: Engine,
  word: string,
  look: (now: Date) => Promise<Principal>,
): Promise<Principal> => {
  const cache = known.get(engine) ?? new LRUCache<string, Known>({ max: 10_000 })
  known.set(engine, cache)
  const now = engine.clock()
  const hit = cache.get(word)
  if (hit && hit.until > now.getTime()) return hit.principal
  const principal = await look(now)
  cache.set(word, { principal, until: trustedUntil(principal, now) })
  return principal
}

const trustedUntil = (principal: Principal, now: Date): number => {
  const until = now.getTime() + trustedSeconds * 1000
  return principal.kind === 'user' && principal.expiresAt ? Math.min(until, principal.expiresAt.getTime()) : until
}

/** In this process a token or a session that was taken back ends at once; others trust it for `trustedSeconds` more. */
export const forgetTokens = (engine: Engine): void => void known.get(engine)?.clear()

export const tokenHolder = async (engine: Engine, hash: Buffer, now: Date): Promise<Principal> => {
  const row = await tokenByHash(engine.db, hash, now)
  if (!row) throw fault('unauthenticated', 'the token is unknown, over or revoked')
  if (row.kind === 'pilot') return { kind: 'pilot', queueId: row.queueId!, queue: row.queue! }
  const teams = await teamsOf(engine.db, row.personId!)
  return {
    kind: 'user',
    personId: row.personId!,
    name: row.person!,
    experimentId: row.experimentId!,
    experiment: row.experiment!,
    admin: row.admin!,
    operator: row.operator!,
    expiresAt: row.expiresAt,
    teams,
  }
}

export type JobClaims = {
  jobId: number
  attempt: number
  taskId: number
  workflowId: number
  personId: number
  experimentId: number
}

/** The token of a payload: derived from its attempt, so that none need be kept; it holds as long as a pilot holds that attempt. */
export const jobToken = (engine: Engine, c: JobClaims): string => {
  const body = [c.jobId, c.attempt, c.taskId, c.workflowId, c.personId, c.experimentId].join('.')
  return `cj.${body}.${macOf(engine, body)}`
}

const macOf = (engine: Engine, body: string): string =>
  createHmac('sha256', engine.keys.jobs).update(body).digest('base64url')

const jobOf = async (engine: Engine, token: string): Promise<Principal> => {
  const [, ...parts] = token.split('.')
  const mac = Buffer.from(parts.pop() ?? '')
  const expected = Buffer.from(macOf(engine, parts.join('.')))
  if (parts.length !== 6 || mac.length !== expected.length || !timingSafeEqual(mac, expected))
    throw fault('unauthenticated', 'the token is not one of ours')
  const [jobId, attempt, taskId, workflowId, personId, experimentId] = parts.map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [held] = await heldOf(engine.db, [jobId])
  if (held?.attempt !== attempt) throw fault('unauthenticated', 'the attempt that this token belongs to is over')
  return { kind: 'job', jobId, attempt, taskId, workflowId, personId, experimentId }
}

/** Makes `token` valid; nothing happens when it is already. */
export const admitToken = (
  engine: Engine,
  token: string,
  whom: { personId?: number; queueId?: number; note: string },
): Promise<number> =>
  insertToken(engine.db, {
    hash: tokenHash(token),
    kind: whom.personId ? 'user' : 'pilot',
    personId: whom.personId ?? null,
    queueId: whom.queueId ?? null,
    note: whom.note,
    now: engine.clock(),
  })
