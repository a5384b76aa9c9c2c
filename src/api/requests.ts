import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { fault } from '../contract/faults.ts'
import { type RouteName, routes } from '../contract/routes.ts'
import type { Principal } from '../services/access/authenticate.ts'
import type { Engine } from '../services/engine/engine.ts'
import { pageAddresses } from './monitor.ts'
import { principalOf } from './session.ts'

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
    text: string
  }
  interface FastifyContextConfig {
    name?: RouteName
  }
}

/** An id per request that no other process gives too; short, since it stands in every line of the log about it. */
export const requestIds = (): (() => string) => {
  const process = randomBytes(4).toString('hex')
  let n = 0
  return () => `r${process}-${(++n).toString(36)}`
}

/** A request that was answered, for those who watch and those who read the log: refusals as `info`, what went well as `debug`. (Failures have a line of their own.) */
export const noteRequest = (engine: Engine, request: FastifyRequest, reply: FastifyReply): void => {
  const { statusCode, elapsedTime } = reply
  engine.metrics.requestSeconds.observe(elapsedTime / 1000, routeOf(request), String(statusCode))
  if (statusCode >= 500) return
  const level = statusCode >= 400 ? 'info' : 'debug'
  if (engine.log.isLevelEnabled?.(level) === false) return
  engine.log[level]({ ...aboutRequest(request), status: statusCode, ms: Math.round(elapsedTime) }, 'a request')
}

/** What a line of the log says of a request: its id, who asked, by which route, and for what. */
export const aboutRequest = (request: FastifyRequest): Record<string, string | undefined> => ({
  requestId: request.id,
  who: request.principal && nameOf(request.principal),
  route: routeOf(request),
  ...idIn(request.params),
})

const routeOf = ({ routeOptions, is404 }: FastifyRequest): string =>
  routeOptions.config.name ?? (is404 ? 'none' : 'page')

const nameOf = (principal: Principal): string => {
  if (principal.kind === 'user') return `${principal.experiment}/${principal.name}`
  return principal.kind === 'pilot' ? `pilot of ${principal.queue}` : `j${principal.jobId}`
}

const nouns: Record<string, string> = { w: 'workflowId', t: 'taskId', j: 'jobId', p: 'pilotId' }

const idIn = (params: unknown): Record<string, string> => {
  const { id } = (params ?? {}) as { id?: string }
  const noun = id && /^[wtjp]\d+$/.test(id) ? nouns[id[0]!] : undefined
  return noun ? { [noun]: id! } : {}
}

const addresses = [
  ...Object.values(routes).map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replace(/:\w+/g, '[^/]+')}$`),
  })),
  ...[/^\/openapi\.json$/, ...pageAddresses].map((pattern) => ({ method: 'GET', pattern })),
]

/** Nothing is at this address, or nothing that takes this method. */
export const strayed = (request: FastifyRequest, reply: FastifyReply) => {
  const path = request.url.split('?', 1)[0]!
  const methods = addresses.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
  if (methods.length === 0) return fault('route_unknown', `${request.method} ${path}`)
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')
  reply.header('allow', allowed)
  return fault('method_unknown', `${path} takes ${allowed}, not ${request.method}`)
}

/** What a proxy adds. Through one everybody seems to come from this machine. */
const forwarding = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

/** Who may read the metrics: whoever is on this machine, and elsewhere those who look after it. */
export const mayWatch = async (engine: Engine, request: FastifyRequest): Promise<void> => {
  const isHere = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(request.ip)
  const { headers } = request
  if (headers.authorization === undefined && isHere && !forwarding.some((name) => headers[name] !== undefined)) return
  const principal = await principalOf(engine, request)
  request.principal = principal
  if (principal.kind !== 'user' || !(principal.admin || principal.operator))
    throw fault('forbidden', 'metrics are for admins and operators')
}
