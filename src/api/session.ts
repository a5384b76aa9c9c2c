import type { FastifyReply, FastifyRequest } from 'fastify'
import { fault } from '../contract/faults.ts'
import type { Session } from '../contract/people.ts'
import { authenticate, type Principal } from '../services/access/authenticate.ts'
import { userOnly } from '../services/access/rights.ts'
import * as sessions from '../services/access/sessions.ts'
import type { Engine } from '../services/engine/engine.ts'

const cookieName = 'culm_session'
const cookie = new RegExp(`(?:^|; ?)${cookieName}=([A-Za-z0-9_-]{43})(?:;|$)`)

/**
 * Who asks: by a token, or by the cookie of a session. A browser sends cookies whoever made it ask, so with one a request that writes must come from a page of this server: it bears a
 * word that only such a page can read, and no other origin.
 */
export const principalOf = async (engine: Engine, request: FastifyRequest): Promise<Principal> => {
  const { authorization } = request.headers
  const session = sessionIn(request)
  if (authorization !== undefined || session === undefined) return authenticate(engine, authorization)
  const principal = await sessions.sessionHolder(engine, session)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    mustBeOwnOrigin(request)
    sessions.mustBearCsrf(engine, session, request.headers['x-culm-csrf'] as string | undefined)
  }
  return principal
}

const sessionIn = ({ headers }: FastifyRequest): string | undefined => cookie.exec(headers.cookie ?? '')?.[1]

const mustBeOwnOrigin = ({ headers }: FastifyRequest): void => {
  const { origin, host } = headers
  if (origin !== undefined && hostOf(origin) !== host) throw fault('origin_foreign', `${origin} is not ${host}`)
}

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)

export const createSession = async (engine: Engine, request: FastifyRequest, reply: FastifyReply): Promise<Session> => {
  const session = await sessions.beginSession(engine, request.headers.authorization)
  setCookie(request, reply, session)
  return showSession(engine, request.principal, session)
}

/** With each look at it the cookie is kept for longer, as the session is. */
export const getSession = async (engine: Engine, request: FastifyRequest, reply: FastifyReply): Promise<Session> => {
  const session = request.headers.authorization === undefined ? sessionIn(request) : undefined
  if (session !== undefined) setCookie(request, reply, session)
  return showSession(engine, request.principal, session)
}

export const endSession = async (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const session = request.headers.authorization === undefined ? sessionIn(request) : undefined
  if (session === undefined) return { ended: false }
  setCookie(request, reply, '')
  return { ended: await sessions.endSession(engine, session) }
}

const showSession = (engine: Engine, principal: Principal, session: string | undefined): Session => {
  const { name, experiment } = userOnly(principal)
  return { name, experiment, csrf: session === undefined ? null : sessions.csrfOf(engine, session) }
}

/** Out of reach of scripts, and of requests that other sites cause. */
const setCookie = (request: FastifyRequest, reply: FastifyReply, session: string): void => {
  const seconds = session === '' ? 0 : sessions.sessionSeconds
  const secure = request.protocol === 'https' || request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : ''
  reply.header('cache-control', 'no-store')
  reply.header('set-cookie', `${cookieName}=${session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${seconds}${secure}`)
}
