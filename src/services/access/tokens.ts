import { randomBytes } from 'node:crypto'
import { fault } from '../../contract/faults.ts'
import type { NewToken, Token } from '../../contract/people.ts'
import { readId, showId } from '../../lib/ids.ts'
import { experimentNamed, personNamed } from '../../store/people.ts'
import { queueNamed } from '../../store/queues.ts'
import * as store from '../../store/tokens.ts'
import type { Engine } from '../engine/engine.ts'
import { forgetTokens, type Principal, tokenHash, type User } from './authenticate.ts'
import { demandAdmin, demandOperator, mayActFor, userOnly } from './rights.ts'

/**
 * Issues a token: for oneself, by an admin for people of his experiment, by an operator for anybody and for the pilots of a queue. One that a user makes
 * for himself ends no later than the one he made it with.
 */
export const createToken = async (engine: Engine, principal: Principal, wanted: NewToken) => {
  const user = userOnly(principal)
  if (wanted.queue !== undefined && (wanted.user !== undefined || wanted.experiment !== undefined))
    throw fault('fields_disagree', 'a token is for a `queue`, or for a `user` of an `experiment`')
  const whom =
    wanted.queue === undefined
      ? { queueId: null, personId: await personMeant(engine, user, wanted) }
      : { queueId: await queueMeant(engine, user, wanted.queue), personId: null }
  const token = `${whom.queueId === null ? 'cu_' : 'cp_'}${randomBytes(32).toString('base64url')}`
  const now = engine.clock()
  const expiresAt = endOf(user, whom.personId === user.personId, wanted.expiresSeconds, now)
  const { note } = wanted
  const row = { hash: tokenHash(token), ...whom, note, createdBy: user.personId, now, expiresAt }
  const { id } = (await store.issueToken(engine.db, row))!
  return { id: showId('k', id), token, expiresAt: expiresAt?.toISOString() ?? null }
}

const queueMeant = async (engine: Engine, user: User, name: string): Promise<number> => {
  demandOperator(user)
  const queue = await queueNamed(engine.db, name)
  if (!queue) throw fault('queue_unknown', `no queue is called ${name}`)
  return queue.id
}

const personMeant = async (engine: Engine, user: User, { user: name, experiment }: NewToken): Promise<number> => {
  if (name === undefined && experiment === undefined) return user.personId
  const experimentId = experiment === undefined ? user.experimentId : (await experimentNamed(engine.db, experiment))?.id
  if (name === user.name && experimentId === user.experimentId) return user.personId
  demandAdmin(user, experimentId)
  const person = await personNamed(engine.db, experimentId!, name ?? user.name)
  if (!person) throw fault('user_unknown', `no user is called ${name ?? user.name}`)
  if (!mayActFor(user, { ...person, personId: person.id })) throw fault('forbidden', 'that is an operator')
  return person.id
}

const endOf = (user: User, own: boolean, seconds: number | undefined, now: Date): Date | null => {
  const wanted = seconds === undefined ? null : new Date(now.getTime() + seconds * 1000)
  if (!own || user.expiresAt === null) return wanted
  return wanted === null || wanted > user.expiresAt ? user.expiresAt : wanted
}

export const listTokens = async (engine: Engine, principal: Principal): Promise<{ items: Token[] }> => {
  const user = userOnly(principal)
  const rows = await store.tokensOf(engine.db, {
    id: null,
    personId: user.admin || user.operator ? null : user.personId,
    experimentId: user.operator ? null : user.experimentId,
  })
  return { items: rows.map(showToken) }
}

export const revokeToken = async (engine: Engine, principal: Principal, tokenId: string): Promise<Token> => {
  const user = userOnly(principal)
  const id = readId('k', tokenId)!
  const find = async () => (await store.tokensOf(engine.db, { id, personId: null, experimentId: null }))[0]
  const row = await find()
  if (!row || !mayRevoke(user, row)) throw fault('token_unknown', `no token ${tokenId}`)
  await store.revokeToken(engine.db, id, engine.clock())
  forgetTokens(engine)
  return showToken((await find())!)
}

/** An admin sees the tokens of operators in his experiment, but they are not his to take. */
const mayRevoke = (user: User, { personId, experimentId, operator }: store.IssuedTokenRow): boolean =>
  personId === null ? user.operator : mayActFor(user, { personId, experimentId: experimentId!, operator: operator! })

const showToken = (row: store.IssuedTokenRow): Token => ({
  id: showId('k', row.id),
  kind: row.kind,
  name: row.name,
  experiment: row.experiment,
  note: row.note,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt?.toISOString() ?? null,
  revokedAt: row.revokedAt?.toISOString() ?? null,
})
