import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { fault, problemOf } from '../contract/faults.ts'
import { keyPattern, openapi } from '../contract/openapi.ts'
import { type Route, type RouteName, routes, type Who } from '../contract/routes.ts'
import { isFault, messageOf } from '../lib/fault.ts'
import type { Principal } from '../services/access/authenticate.ts'
import { withKey } from '../services/access/keyed.ts'
import type { Engine } from '../services/engine/engine.ts'
import { getContent, putContent } from './content.ts'
import { type Ask, handlers } from './handlers.ts'
import { type Monitor, serveMonitor } from './monitor.ts'
import { aboutRequest, mayWatch, noteRequest, requestIds, strayed } from './requests.ts'
import { createSession, endSession, getSession, principalOf } from './session.ts'
import { streamExperiment, streamWorkflow } from './stream.ts'
import { sendUsage } from './usage.ts'
import { validator } from './validate.ts'

/** 16 MB: ten thousand jobs of a kilobyte each, with room. Larger values go by reference. */
const maxBodyBytes = 16_000_000

/** The HTTP side of one process: routes from the contract's table, errors as problem documents, the monitor at `/`. */
export const makeServer = (
  engine: Engine,
  { version, monitor, metrics }: { version: string; monitor: Monitor; metrics: () => Promise<string> },
): FastifyInstance => {
  const app = Fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    keepAliveTimeout: 75_000,
    // A name of 200 characters, each of up to four bytes that are escaped: what is longer than a name may be is refused as such.
    routerOptions: { maxParamLength: 2400 },
    genReqId: requestIds(),
    clientErrorHandler: answerMalformed,
  })
  app.removeContentTypeParser('text/plain')
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
  app.setErrorHandler((error, request, reply) => answerError(engine, asFault(error, request), request, reply))
  // Before the body is read, as everything that a look at the head decides.
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    if (request.is404) throw strayed(request, reply)
  })
  app.addHook('onResponse', async (request, reply) => noteRequest(engine, request, reply))
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][])
    if (route.verbatim) app.register(async (apart) => mount(takingText(apart, route), engine, name, route, version))
    else if (route.kind !== 'text') mount(app, engine, name, route, version)
  app.get(routes.metrics.path, { config: { name: 'metrics' } }, async (request, reply) => {
    await mayWatch(engine, request)
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics())
  })
  const document = openapi(version)
  app.get('/openapi.json', async () => document)
  serveMonitor(app, monitor)
  return app
}

/** Routes of this instance are given the text of what they are sent beside what it says, whatever names stand in it. */
const takingText = (app: FastifyInstance, { verbatim }: Route): FastifyInstance => {
  const parse = app.getDefaultJsonParser('ignore', 'ignore')
  const options = { parseAs: 'string', bodyLimit: verbatim!.maxBytes } as const
  app.addContentTypeParser<string>('application/json', options, (request, text, done) => {
    request.text = text
    parse(request, text, done)
  })
  return app
}

const mount = (app: FastifyInstance, engine: Engine, name: RouteName, route: Route, version: string) => {
  const checks = {
    params: route.params && validator(route.params, 'params'),
    query: route.query && validator(route.query, 'query'),
    body: route.body && validator(route.body, 'body'),
  }
  app.route({
    method: route.method,
    url: route.path,
    config: { name },
    // Before the body is read: who may not come in sends nothing.
    onRequest: async (request) => {
      if (!route.who.includes('nobody')) request.principal = admitted(route.who, await principalOf(engine, request))
    },
    handler: async (request, reply) => {
      checks.params?.(request.params)
      checks.query?.(request.query)
      if (route.kind !== 'bytes' && request.headers['content-type']?.startsWith('application/octet-stream'))
        throw fault('unsupported_media', 'this address takes JSON')
      checks.body?.(request.body)
      if (name === 'streamWorkflow') return streamWorkflow(engine, request, reply)
      if (name === 'streamExperiment') return streamExperiment(engine, request, reply)
      if (name === 'putContent') return putContent(engine, request, reply)
      if (name === 'getContent') return getContent(engine, request, reply)
      if (name === 'usage') return sendUsage(engine, request, reply)
      const answer = ofSessions[name]
        ? await ofSessions[name](engine, request, reply)
        : await answerOf(engine, name, route, request, reply, version)
      return reply.code(route.status ?? 200).send(answer)
    },
  })
}

/** They read and write cookies, so they are given the request itself. */
const ofSessions: { [N in RouteName]?: typeof getSession | typeof endSession } = {
  createSession,
  getSession,
  endSession,
}

const admitted = (who: readonly Who[], principal: Principal): Principal => {
  if (!who.includes(principal.kind)) throw fault('forbidden', `this address is not for a ${principal.kind}'s token`)
  return principal
}

const answerOf = (
  engine: Engine,
  name: RouteName,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  version: string,
): Promise<unknown> => {
  const ask = {
    engine,
    principal: request.principal,
    params: request.params,
    query: request.query,
    body: request.body,
    text: request.text,
    version,
    /** Ends when the asker has gone. Made when it is asked for: most handlers do not. */
    get signal() {
      return closeOf(reply)
    },
    raw: request.raw,
  }
  const handler = handlers[name as keyof typeof handlers] as (ask: Ask<RouteName>) => Promise<unknown>
  const key = request.headers['idempotency-key']
  // A task with a journal key is safe to repeat by that; keeping its reply as well would double the writes of every call.
  const isJournalled = name === 'submitTask' && (request.body as { call?: unknown }).call !== undefined
  if (!route.keyed || typeof key !== 'string') return handler(ask as never)
  if (!keyPattern.test(key)) throw fault('invalid_input', 'Idempotency-Key: 1 to 200 visible ASCII characters')
  if (isJournalled) return handler(ask as never)
  return withKey(engine, request.principal, { route: name, key, body: request.body }, (within) =>
    handler({ ...ask, engine: within } as never),
  )
}

/** What does not come as far as a request: the parser of HTTP gave up. */
const answerMalformed = (error: NodeJS.ErrnoException, socket: Socket) => {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const problem = JSON.stringify({ ...problemOf(fault('malformed_http', error.message)), requestId: '' })
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(problem)}\r\nConnection: close\r\n\r\n${problem}`,
  )
}

/** With a reason of our own: without one, every `abort` would make an error with a stack (30 µs, measured). */
const closeOf = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController()
  if (reply.raw.destroyed) gone.abort('gone')
  reply.raw.on('close', () => gone.abort('gone'))
  return gone.signal
}

/** What the framework says in its own words, in ours. */
const asFault = (error: unknown, request: FastifyRequest): unknown => {
  if (isFault(error)) return error
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message: string }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge(request)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return fault('unsupported_media', message)
  // So Node says that the connection was cut while the body came.
  if (code === 'ECONNRESET' && request.raw.destroyed) return fault('malformed_http', 'the request was cut off')
  if (code?.startsWith('FST_ERR_CTP') || error instanceof SyntaxError) return fault('malformed_json', message)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return fault('invalid_input', message)
  return error
}

const tooLarge = ({ routeOptions }: FastifyRequest) => {
  const { verbatim } = routes[routeOptions.config.name!] as Route
  return fault(verbatim?.tooLarge ?? 'body_too_large', `more than ${verbatim?.maxBytes ?? maxBodyBytes} bytes`)
}

const answerError = (engine: Engine, error: unknown, request: FastifyRequest, reply: FastifyReply) => {
  const problem = problemOf(error)
  if (problem.status >= 500)
    engine.log.error(
      {
        ...aboutRequest(request),
        code: problem.code,
        error: messageOf(error),
        stack: (error as Error).stack,
        cause: messageOf((error as Error).cause ?? ''),
      },
      'a request failed',
    )
  if (problem.status === 503) reply.header('retry-after', '1')
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify({ ...problem, requestId: request.id }))
}
