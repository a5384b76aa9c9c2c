import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { isAway, makeClient } from './client.ts'
import { type FaultCode, fault, problemOf } from './faults.ts'

let server: Server
afterEach(() => void server.close())

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
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { client: (retrySeconds?: number) => makeClient({ url, token: null, retrySeconds }), asked }
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
