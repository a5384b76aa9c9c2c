import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { checkedUrl, isAway, makeClient } from './client.ts'
import { type FaultCode, fault, problemOf } from './faults.ts'

let server: Server | undefined
afterEach(() => void server?.close())

/** A server that is away for the first requests, and then says what they were. */
const startServer = async ({ awayFor, why = 'database_away' }: { awayFor: number; why?: FaultCode }) => {
  const asked: string[] = []
  server = createServer(async (request, reply) => {
    const body: Buffer[] = []
    for await (const part of request) body.push(part)
    asked.push(`${request.method} ${request.url} ${Buffer.concat(body)}`)
    const isAway = asked.length <= awayFor
    const problem = problemOf(fault(why))
    reply.writeHead(isAway ? problem.status : 200, {
      'content-type': isAway ? 'application/problem+json' : 'text/plain',
    })
    reply.end(isAway ? JSON.stringify(problem) : 'content')
  })
  const url = `http://127.0.0.1:${await listening(server)}`
  return { client: (retrySeconds?: number) => makeClient({ url, token: null, retrySeconds }), asked }
}

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test.each<FaultCode>(['database_away', 'storage_full'])(
  'raw content is sent and fetched again while the server says %s',
  async (why) => {
    const { client, asked } = await startServer({ awayFor: 2, why })
    const mine = client()
    await mine.put('/v1/content/abc', Buffer.from('bytes'))
    expect(asked).toEqual(new Array(3).fill('PUT /v1/content/abc bytes'))
    expect((await mine.get('/v1/content/abc')).toString()).toBe('content')
    await mine.close()
  },
)

test('who will not wait is told that the server is away', async () => {
  const { client } = await startServer({ awayFor: 9 })
  const mine = client(0)
  await expect(mine.get('/v1/content/abc')).rejects.toMatchObject({ code: 'server_away' })
  await mine.close()
})

test('who will not wait for a full disk is told that it is full', async () => {
  const { client } = await startServer({ awayFor: 9, why: 'storage_full' })
  const mine = client(0)
  const refused = await mine.get('/v1/content/abc').catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'storage_full' })
  expect(isAway(refused)).toBe(true)
  await mine.close()
})

test('plain HTTP is spoken to this machine only', () => {
  for (const url of ['https://culm.example', 'http://127.0.0.1:7001', 'http://localhost', 'http://[::1]:7001'])
    expect(checkedUrl(url)).toBe(url)
  for (const url of ['http://culm.example', 'http://10.0.0.1', 'http://localhost.example', 'ftp://localhost'])
    expect(() => makeClient({ url, token: 'secret' }), url).toThrow(/neither HTTPS nor on this machine/)
})

test('a certificate that nobody has signed is not trusted, and the token is not sent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'culm-tls-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync('openssl', ['req', '-x509', ...curve, ...name, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const asked: unknown[] = []
  server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, ({ headers }, reply) => {
    asked.push(headers.authorization)
    reply.end('{}')
  })
  rmSync(folder, { recursive: true })
  const mine = makeClient({ url: `https://localhost:${await listening(server)}`, token: 'secret', retrySeconds: 0 })
  await expect(mine.call('me')).rejects.toThrow(/certificate/)
  expect(asked).toEqual([])
  await mine.close()
})
