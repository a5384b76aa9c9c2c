import { z } from 'zod'
import { faults } from './faults.ts'
import { experimentNotices } from './frames.ts'
import { notices } from './notices.ts'
import { type Route, routes } from './routes.ts'

/**
 * The OpenAPI 3.1 document of `routes`. It is checked in as `docs/reference/openapi.json`, and kept fresh by `npm run check`. Every answer that a route may
 * give is in it: `npm run fuzz` asks ten thousand times whether that is so.
 */
export const openapi = (version: string): object => ({
  openapi: '3.1.0',
  info: {
    title: 'Culm',
    version,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    description:
      'Workflows, tasks and jobs. What takes the token of a user takes the cookie of his session too (POST /v1/session). Errors are RFC 9457 problems with a `code`; lists page by key; streams are server-sent events that resume.',
  },
  servers: [{ url: '/' }],
  paths: pathsOf(),
  components: {
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    responses: Object.fromEntries(Object.keys(refusals).map((status) => [`Problem${status}`, problemResponse(status)])),
    schemas: {
      Problem: problemSchema,
      ...Object.fromEntries(
        Object.entries({ ...notices, ...experimentNotices }).map(([kind, schema]) => [
          `notice_${kind}`,
          jsonSchema(schema, 'output'),
        ]),
      ),
    },
  },
})

/** One JSON Schema for the validator, the document and the clients. `input`: defaults may be left out. */
export const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail', 'help', 'requestId'],
  properties: {
    type: { type: 'string', description: '`urn:culm:fault:` and the code' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(faults) },
    detail: { type: 'string' },
    help: { type: 'string', description: 'What to do about it' },
    requestId: { type: 'string', description: 'By which the log of the server knows the request' },
  },
}

const pathsOf = (): Record<string, Record<string, object>> => {
  const paths: Record<string, Record<string, object>> = {}
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(name, route) }
  }
  return paths
}

const operationOf = (name: string, route: Route): object => ({
  operationId: name,
  summary: route.summary,
  tags: [route.path.split('/')[2] ?? 'server'],
  ...(route.who.includes('nobody') ? {} : { security: [{ bearer: [] }], 'x-who': route.who }),
  parameters: [
    ...parametersIn('path', route.params),
    ...parametersIn('query', route.query),
    ...(route.keyed ? [keyHeader] : []),
  ],
  ...bodyOf(route),
  responses: {
    [route.status ?? 200]: { description: route.summary, ...contentOf(route) },
    ...Object.fromEntries(
      Object.entries(refusals).flatMap(([status, mayRefuse]) =>
        mayRefuse(route) ? [[status, { $ref: `#/components/responses/Problem${status}` }]] : [],
      ),
    ),
  },
})

const isOpen = (route: Route): boolean => route.who.includes('nobody')
const writes = (route: Route): boolean => route.method !== 'GET'
const takesInput = (route: Route): boolean => writes(route) || Boolean(route.params ?? route.query)

/** Which routes may be refused with which status: by what a route takes and does, since the same words of `faults.ts` are said everywhere. */
const refusals: Record<string, (route: Route) => boolean> = {
  400: takesInput,
  401: (route) => !isOpen(route) || route.kind === 'text',
  403: (route) => !isOpen(route) || route.signed === true || route.kind === 'text',
  404: takesInput,
  409: writes,
  413: writes,
  415: writes,
  422: (route) => writes(route) || route.kind === 'table', // of which the times may disagree
  500: () => true,
  503: () => true,
  507: writes,
}

const problemResponse = (status: string): object => ({
  description: problemSentences[status],
  ...(problemHeaders[status] ? { headers: problemHeaders[status] } : {}),
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
})

const problemSentences: Record<string, string> = {
  400: 'What was sent is malformed; the detail names the field',
  401: 'No valid token came with the request',
  403: 'The token, or the signature of the address, gives no right to do this',
  404: 'What is named does not exist, or is not for the caller to see',
  409: 'The state of what is named stands in the way',
  413: 'The request, or what it announces, is too large',
  415: 'Not a media type that this address takes',
  422: 'Well-formed, but it cannot be done',
  500: 'A bug in Culm',
  503: 'The database is away, or too much is waiting: try again',
  507: 'The disk of the storage is full',
}

const problemHeaders: Record<string, object> = {
  401: { 'WWW-Authenticate': { required: true, schema: { type: 'string' } } },
  503: { 'Retry-After': { required: true, description: 'Seconds', schema: { type: 'integer' } } },
}

const bodyOf = (route: Route): object => {
  if (route.body)
    return {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(route.body, 'input') } } },
    }
  if (route.kind === 'bytes' && route.method === 'PUT')
    return {
      requestBody: {
        required: true,
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
    }
  return {}
}

const contentOf = (route: Route): object => {
  if (route.kind === 'text') return { content: { 'text/plain': { schema: { type: 'string' } } } }
  if (route.kind === 'sse') return { content: { 'text/event-stream': { schema: eventSchema(route) } } }
  if (route.kind === 'bytes')
    return route.method === 'PUT'
      ? {}
      : { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
  if (!route.reply) return {}
  const json = { 'application/json': { schema: jsonSchema(route.reply, 'output') } }
  return { content: route.kind === 'table' ? { ...json, 'text/csv': { schema: { type: 'string' } } } : json }
}

/** OpenAPI 3.1 has no word for streams: this is one event of it, as readers of the document take it. */
const eventSchema = (route: Route): object => ({
  type: 'object',
  description: 'One server-sent event',
  required: ['data'],
  properties: {
    event: { type: 'string', enum: Object.keys(route.notices ?? {}) },
    data: {
      type: 'string',
      contentMediaType: 'application/json',
      description: 'JSON of the schema `notice_` and the event',
    },
    id: { type: 'string', description: 'A cursor: everything up to it has been sent' },
  },
})

const parametersIn = (place: 'path' | 'query', schema: z.ZodObject | undefined): object[] => {
  if (!schema) return []
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, { description?: string }>
    required?: string[]
  }
  return Object.entries(properties).map(([key, { description, ...type }]) => ({
    name: key,
    in: place,
    required: place === 'path' || required.includes(key),
    ...(description ? { description } : {}),
    schema: type,
  }))
}

/** What an idempotency key may be: visible ASCII. */
export const keyPattern = /^[\x21-\x7e]{1,200}$/

const keyHeader = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key and body give the same reply, and one effect',
  schema: { type: 'string', pattern: keyPattern.source },
}
