import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Route, type RouteName, routes } from '../../src/contract/routes.ts'
import { sleep } from '../../src/lib/clock.ts'

export type Backend = { host: string; port: number }

/** What the proxy does wrong now. Everything is as it should be when all are at rest. */
export type Trouble = {
  /** Waits up to so long before a request goes on, and before its reply does, ms. */
  delayMs: number
  /** Nothing goes on, and nothing is closed: a peer that hangs. */
  frozen: boolean
  /** This part of what may be repeated is sent twice, the second up to `lagMs` later, to whichever server. */
  duplicated: number
  lagMs: number
  /** So many replies of a route never come: the server has answered, and the connection is cut. */
  lostReplies: Map<RouteName, number>
  /** So many replies of a route are cut in their middle. */
  tornReplies: Map<RouteName, number>
}

export type ProxyCounts = { requests: number; lost: number; torn: number; duplicated: number; cut: number }

/**
 * What stands between one client (a pilot, or the drivers) and the servers. It speaks HTTP, so that it can lose exactly the reply of a claim or a report after the
 * server has done it; it takes whichever server answers, as a load balancer does.
 */
export class ServerProxy {
  readonly name: string
  readonly trouble: Trouble
  readonly counts: ProxyCounts = { requests: 0, lost: 0, torn: 0, duplicated: 0, cut: 0 }
  readonly #backends: readonly Backend[]
  readonly #server: http.Server
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  readonly #random: () => number
  #thawed: Promise<void> = Promise.resolve()
  #thaw = () => {}
  #turn = 0

  constructor(name: string, backends: readonly Backend[], random: () => number) {
    this.name = name
    this.#backends = backends
    this.#random = random
    this.trouble = {
      delayMs: 0,
      frozen: false,
      duplicated: 0,
      lagMs: 0,
      lostReplies: new Map(),
      tornReplies: new Map(),
    }
    this.#server = http.createServer({ requestTimeout: 0, keepAliveTimeout: 75_000 }, (request, reply) =>
      this.#serve(request, reply).catch(() => request.socket.destroy()),
    )
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Cuts all connections, in both directions. */
  cut(): void {
    this.counts.cut++
    this.#server.closeAllConnections()
  }

  freeze(): void {
    this.trouble.frozen = true
    this.#thawed = new Promise((resolve) => {
      this.#thaw = resolve
    })
  }

  thaw(): void {
    this.trouble.frozen = false
    this.#thaw()
  }

  async close(): Promise<void> {
    this.thaw()
    this.#server.closeAllConnections()
    this.#server.close()
    this.#agent.destroy()
  }

  async #serve(request: http.IncomingMessage, reply: http.ServerResponse): Promise<void> {
    this.counts.requests++
    const route = routeOf(request)
    const body = await bytesOf(request)
    await this.#hold()
    if (reply.destroyed) return
    if (mayRepeat(route, request, body) && this.#random() < this.trouble.duplicated) void this.#sendAgain(request, body)
    const answer = await this.#send(request, body, reply)
    await this.#hold()
    if (route && takeOne(this.trouble.lostReplies, route)) {
      this.counts.lost++
      answer.destroy()
      request.socket.destroy()
      return
    }
    const torn = route !== undefined && takeOne(this.trouble.tornReplies, route)
    reply.writeHead(answer.statusCode!, answer.headers)
    reply.flushHeaders()
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (this.trouble.frozen) await this.#thawed
      if (torn) {
        this.counts.torn++
        reply.write(chunk.subarray(0, chunk.length >> 1), () => request.socket.destroy())
        return
      }
      if (!reply.write(chunk)) await drained(reply)
    }
    reply.end()
  }

  async #hold(): Promise<void> {
    if (this.trouble.frozen) await this.#thawed
    if (this.trouble.delayMs > 0) await sleep(this.#random() * this.trouble.delayMs)
  }

  async #sendAgain(request: http.IncomingMessage, body: Buffer): Promise<void> {
    this.counts.duplicated++
    await sleep(this.#random() * this.trouble.lagMs)
    await this.#send(request, body).then(
      (answer) => answer.resume(),
      () => {},
    )
  }

  /** To the next server, or another one when that is not there. */
  async #send(request: http.IncomingMessage, body: Buffer, reply?: http.ServerResponse): Promise<http.IncomingMessage> {
    for (let tried = 1; ; tried++) {
      const backend = this.#backends[this.#turn++ % this.#backends.length]!
      try {
        return await this.#sendTo(backend, request, body, reply)
      } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNREFUSED' || tried >= this.#backends.length) throw error
      }
    }
  }

  async #sendTo(
    { host, port }: Backend,
    { method, url, headers }: http.IncomingMessage,
    body: Buffer,
    reply?: http.ServerResponse,
  ) {
    const forward = http.request({ host, port, method, path: url, headers, agent: this.#agent })
    const hungUp = () => forward.destroy()
    reply?.on('close', hungUp)
    forward.end(body)
    const [answer] = (await once(forward, 'response')) as [http.IncomingMessage]
    forward.on('error', () => answer.destroy())
    answer.on('error', () => reply?.destroy())
    return answer
  }
}

const drained = (reply: http.ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      reply.off('drain', done).off('close', done)
      resolve()
    }
    reply.on('drain', done).on('close', done)
  })

const bytesOf = async (request: http.IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const takeOne = (left: Map<RouteName, number>, route: RouteName): boolean => {
  const n = left.get(route) ?? 0
  if (n > 0) left.set(route, n - 1)
  return n > 0
}

const patterns = (Object.entries(routes) as [RouteName, Route][]).map(([name, { method, path }]) => ({
  name,
  method,
  pattern: new RegExp(`^${path.replace(/:\w+/g, '[^/]+')}$`),
}))

const routeOf = ({ method, url }: http.IncomingMessage): RouteName | undefined =>
  patterns.find((r) => r.method === method && r.pattern.test(url!.split('?')[0]!))?.name

/** What a client sends again after a cut, and what may therefore come twice: both copies may reach a server, in any order. */
const repeated = new Set<RouteName>([
  'registerPilot',
  'claim',
  'report',
  'renew',
  'sendLogs',
  'sendTold',
  'keepCheckpoint',
  'addJobs',
  'createBlob',
  'createBundle',
])

const mayRepeat = (route: RouteName | undefined, { headers }: http.IncomingMessage, body: Buffer): boolean =>
  route !== undefined &&
  (repeated.has(route) ||
    headers['idempotency-key'] !== undefined ||
    (route === 'submitTask' && body.includes('"call":{')))
