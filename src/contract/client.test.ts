import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { makeClient } from './client.ts'
import { fault, problemOf } from './faults.ts'

let server: Server
afterEach(() => void server.close())

/** A server that is away for the first requests, and then says what they were. */
const startServer = async ({ awayFor }: { awayFor: number }) => {
  const asked: string[] = []
  server = createServer(async (request, reply) => {
    const body: Buffer[] = []
    for await (const part of request) body.push(part)
    asked.push(`${request.method} ${request.url} ${Buffer.concat(body)}`)
    const isAway = asked.length <= awayFor
    reply.writeHead(isAway ? 503 : 200, { 'content-type': isAway ? 'application/problem+json' : 'text/plain' })
    reply.end(isAway ? JSON.stringify(problemOf(fault('database_away'))) : 'content')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { client: (retrySeconds?: number) => makeClient({ url, token: null, retrySeconds }), asked }
}

test('raw content is sent and fetched again while the server is away', async () => {
  const { client, asked } = await startServer({ awayFor: 2 })
  const mine = client()
  await mine.put('/v1/content/abc', Buffer.from('bytes'))
  expect(asked).toEqual(new Array(3).fill('PUT /v1/content/abc bytes'))
  expect((await mine.get('/v1/content/abc')).toString()).toBe('content')
  await mine.close()
})

test('who will not wait is told that the server is away', async () => {
  const { client } = await startServer({ awayFor: 9 })
  const mine = client(0)
  await expect(mine.get('/v1/content/abc')).rejects.toMatchObject({ code: 'server_away' })
  await mine.close()
})
