import { z } from 'zod'
import { faults } from './faults.ts'
import { notices } from './notices.ts'
import { type Route, routes } from './routes.ts'

/** The OpenAPI 3.1 document of `routes`. It is checked in as `docs/reference/openapi.json`, and a test keeps it fresh. */
export const openapi = (version: string): object => ({
  openapi: '3.1.0',
  info: {
    title: 'Culm',
    version,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    description:
      'Workflows, tasks and jobs. Errors are RFC 9457 problems with a `code`; lists page by key; streams are server-sent events that resume.',
  },
  servers: [{ url: '/' }],
  paths: pathsOf(),
  components: {
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    schemas: {
      Problem: problemSchema,
      ...Object.fromEntries(
        Object.entries(notices).map(([kind, schema]) => [`notice_${kind}`, jsonSchema(schema, 'output')]),
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
  required: ['type', 'title', 'status', 'code', 'detail', 'help'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(faults) },
    detail: { type: 'string' },
    help: { type: 'string', description: 'What to do about it' },
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
  ...(route.body
    ? { requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(route.body, 'input') } } } }
    : {}),
  responses: {
    [route.status ?? 200]: { description: route.summary, ...contentOf(route) },
    default: {
      description: 'A problem',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
})

const contentOf = (route: Route): object => {
  if (route.kind === 'sse') return { content: { 'text/event-stream': { schema: { type: 'string' } } } }
  if (route.kind === 'bytes')
    return route.method === 'PUT'
      ? {}
      : { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
  return route.reply ? { content: { 'application/json': { schema: jsonSchema(route.reply, 'output') } } } : {}
}

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

const keyHeader = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key and body give the same reply, and one effect',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
}
