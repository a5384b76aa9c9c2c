import type { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import { backoffMs } from '../lib/backoff.ts'
import { sleep } from '../lib/clock.ts'
import { fault, faultOf, type Problem } from './faults.ts'
import { type BodyInputOf, type ParamsOf, type QueryInputOf, type ReplyOf, type RouteName, routes } from './routes.ts'

/**
 * Calls the API by the names of `routes`. Speaks HTTP only to this machine and HTTPS elsewhere, keeps connections open, and repeats what is safe to
 * repeat (reads, keyed writes, and what the caller marks) while the server is away or its disk is full, until `retrySeconds` are over.
 */
export type Call<N extends RouteName> = {
  params?: ParamsOf<N>
  query?: QueryInputOf<N>
  body?: BodyInputOf<N>
  /** An idempotency key: makes the call safe to repeat. */
  key?: string
  /** The route itself is safe to repeat. */
  repeat?: boolean
  /** The trace that it belongs to: a W3C traceparent. */
  trace?: string
  signal?: AbortSignal
  /** How long the server may take to answer, s. */
  answerSeconds?: number
  /** How long to go on trying while the server is away, s; 0 = not at all. */
  retrySeconds?: number
}

export type Client = {
  readonly url: string
  call<N extends RouteName>(name: N, call?: Call<N>): Promise<ReplyOf<N>>
  /** Opens a stream of server-sent events; resolves when the server has answered. */
  open(
    name: RouteName,
    call: { params?: Record<string, string>; query?: Record<string, string>; signal?: AbortSignal; lastId?: string },
  ): Promise<AsyncIterable<ServerSent>>
  /** Raw content, which lies under its hash and may be sent and fetched as often as one likes. */
  put(url: string, content: Uint8Array | Content): Promise<void>
  get(url: string): Promise<Buffer>
  /** The same as it comes, for what may be large; tried once. */
  read(url: string): Promise<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

/** Content that need not be in memory: `open` gives all of its `bytes`, from the start each time. */
export type Content = { bytes: number; open(): Readable }

export type ServerSent = { kind: string; id: string | null; data: unknown }

export const makeClient = ({
  url,
  token,
  retrySeconds = 60,
}: {
  url: string
  token: string | null
  retrySeconds?: number
}): Client => {
  const base = checkedUrl(url)
  // One connection per open request; HTTP/1.1 pipelining would put a held claim before everything else.
  const agent = new Agent({
    connections: 64,
    pipelining: 1,
    keepAliveTimeout: 60_000,
    headersTimeout: 90_000,
    bodyTimeout: 0,
  })
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}

  const send = async (
    options: Dispatcher.RequestOptions,
  ): Promise<{ status: number; body: Dispatcher.ResponseData['body'] }> => {
    const { statusCode, body } = await agent.request({ origin: base, ...options })
    return { status: statusCode, body }
  }

  const once = async (name: RouteName, call: Call<RouteName>): Promise<unknown> => {
    const { method } = routes[name]
    const hasBody = method === 'POST' || method === 'PATCH'
    const { status, body } = await send({
      path: pathOf(name, call.params, call.query),
      method,
      headers: {
        ...headers,
        ...(hasBody ? { 'content-type': 'application/json' } : {}),
        ...(call.key ? { 'idempotency-key': call.key } : {}),
        ...(call.trace ? { traceparent: call.trace } : {}),
      },
      body: hasBody ? JSON.stringify(call.body ?? {}) : undefined,
      signal: call.signal,
      ...(call.answerSeconds ? { headersTimeout: call.answerSeconds * 1000 } : {}),
    })
    const text = await body.text()
    if (status >= 400) throw problemIn(status, text)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** Until it passes, or for so long; what is not safe to repeat is tried once. */
  const persist = async <T>(
    act: () => Promise<T>,
    { safe, seconds = retrySeconds, signal }: { safe: boolean; seconds?: number; signal?: AbortSignal },
  ): Promise<T> => {
    const until = Date.now() + seconds * 1000
    for (let n = 1; ; n++) {
      try {
        return await act()
      } catch (error) {
        if (signal?.aborted || !isPassing(error)) throw error
        const pause = backoffMs(n, { baseMs: 50, maxMs: 2000 })
        if (!safe || Date.now() + pause > until) throw awayFault(base, error)
        await sleep(pause, signal)
      }
    }
  }

  const call: Client['call'] = async (name, options = {} as never) => {
    const given = options as Call<RouteName>
    const safe = routes[name].method === 'GET' || given.key !== undefined || given.repeat === true
    const { retrySeconds: seconds, signal } = given
    return (await persist(() => once(name, given), { safe, seconds, signal })) as never
  }

  const open: Client['open'] = async (name, { params, query, signal, lastId }) => {
    const { status, body } = await send({
      path: pathOf(name, params, query),
      method: 'GET',
      headers: { ...headers, accept: 'text/event-stream', ...(lastId ? { 'last-event-id': lastId } : {}) },
      signal,
    })
    if (status >= 400) throw problemIn(status, await body.text())
    return serverSent(body)
  }

  const absolute = (address: string) => new URL(address, base)
  const exchange = async (address: string, options: Pick<Dispatcher.RequestOptions, 'method' | 'headers' | 'body'>) => {
    const { origin, pathname, search } = absolute(address)
    const { status, body } = await send({ origin, path: pathname + search, ...options })
    if (status >= 400) throw problemIn(status, await body.text())
    return body
  }
  const put: Client['put'] = async (address, content) => {
    const isHere = content instanceof Uint8Array
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(isHere ? content.length : content.bytes),
    }
    const once = async () =>
      (await exchange(address, { method: 'PUT', headers, body: isHere ? content : content.open() })).dump()
    await persist(once, { safe: true })
  }
  const read: Client['read'] = (address) => exchange(address, { method: 'GET' })
  const get: Client['get'] = (address) =>
    persist(async () => Buffer.from(await (await exchange(address, { method: 'GET' })).arrayBuffer()), { safe: true })

  return { url: base, call, open, put, get, read, close: () => agent.destroy() }
}

/** Plain HTTP only on this machine: a token must not cross a network in clear. */
export const checkedUrl = (url: string): string => {
  const { protocol, hostname, origin } = new URL(url)
  const local = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
  if (protocol !== 'https:' && !(protocol === 'http:' && local))
    throw fault('plain_http', `${url} is neither HTTPS nor on this machine`)
  return origin
}

const pathOf = (
  name: RouteName,
  params: Record<string, unknown> | undefined,
  query: Record<string, unknown> | undefined,
): string => {
  const path = routes[name].path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(params?.[key])))
  const given = Object.entries(query ?? {}).flatMap(([key, value]) => [value].flat().map((one) => [key, one] as const))
  const said = given
    .filter(([, value]) => value !== undefined)
    .map(([key, value]): [string, string] => [key, String(value)])
  return said.length === 0 ? path : `${path}?${new URLSearchParams(said)}`
}

const problemIn = (status: number, text: string): Error => {
  try {
    const problem = JSON.parse(text) as Partial<Problem>
    if (problem.code) return faultOf(problem)
  } catch {
    // Not a problem document: some proxy spoke.
  }
  return status >= 502
    ? fault('server_away', `the server's proxy answered ${status}`)
    : fault('internal', `the server answered ${status}: ${text.slice(0, 200)}`)
}

/** The server or its database is away, too busy, or has no room: what anybody may do again later. */
export const isAway = (error: unknown): boolean => awayCodes.has((error as { code?: string }).code ?? '')
const awayCodes = new Set(['server_away', 'database_away', 'overloaded', 'storage_full'])

/** Worth another try. */
const isPassing = (error: unknown): boolean => {
  const { code } = error as { code?: string }
  return awayCodes.has(code ?? '') || passing.has(code ?? '')
}
const passing = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'key_in_flight',
])

const awayFault = (url: string, error: unknown): Error =>
  ['overloaded', 'storage_full'].includes((error as { code?: string }).code ?? '')
    ? (error as Error)
    : fault('server_away', `${url} does not answer (${(error as Error).message})`, undefined, error)

/** Reads server-sent events as the HTML standard frames them: fields by line, a blank line ends one. */
async function* serverSent(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of body) {
    rest += decoder.decode(part, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const sent = parseBlock(block)
      if (sent) yield sent
    }
  }
}

const parseBlock = (block: string): ServerSent | undefined => {
  let kind = 'message'
  let id: string | null = null
  let data = ''
  for (const line of block.split('\n')) {
    if (line.startsWith('data: ')) data += line.slice(6)
    else if (line.startsWith('event: ')) kind = line.slice(7)
    else if (line.startsWith('id: ')) id = line.slice(4)
  }
  return data === '' ? undefined : { kind, id, data: JSON.parse(data) }
}
