import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findRunning, readServer, removeServer, type ServerRecord, writeServer } from './homeServer.ts'

let home: string
let server: Server | undefined
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'culm-server-'))
})
afterEach(async () => {
  server?.closeAllConnections()
  server?.close()
  await rm(home, { recursive: true, force: true })
})

const listen = async (answer: (path: string | undefined) => number | undefined): Promise<string> => {
  const listening = createServer((request, response) => {
    const status = answer(request.url)
    if (status !== undefined) response.writeHead(status).end('{}')
  }).listen(0, '127.0.0.1')
  server = listening
  await once(listening, 'listening')
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
}

const record = (over: Partial<ServerRecord> = {}): ServerRecord => ({
  url: 'http://127.0.0.1:1',
  pid: process.pid,
  startedAt: '2026-01-02T03:04:05.678Z',
  version: '1.2.0',
  ...over,
})

test('a record is read as it was written, readable by its owner alone, and leaves no other file', async () => {
  const written = record({ databaseUrl: 'postgresql://culm:secret@localhost/culm' })
  await writeServer(home, record())
  await writeServer(home, written)
  expect(await readServer(home)).toEqual(written)
  expect((await stat(join(home, 'server.json'))).mode & 0o777).toBe(0o600)
  expect(await readdir(home)).toEqual(['server.json'])
  await removeServer(home)
  await removeServer(home)
  expect(await readServer(home)).toBeUndefined()
})

test.each(['', '{"url":', '{}', '[]', 'null', '{"url":"nowhere","pid":1}'])(
  'a record %j is no record',
  async (text) => {
    await writeFile(join(home, 'server.json'), text)
    expect(await readServer(home)).toBeUndefined()
    expect(await findRunning(home)).toBeUndefined()
  },
)

test('a server runs when its process is there and its health answers', async () => {
  const url = await listen((path) => (path === '/healthz' ? 200 : 404))
  await writeServer(home, record({ url }))
  expect(await findRunning(home)).toEqual(record({ url }))
})

test('a server whose process is gone does not run, though another one listens there now', async () => {
  const url = await listen(() => 200)
  await writeServer(home, record({ url, pid: 2 ** 22 + 1 }))
  expect(await findRunning(home)).toBeUndefined()
})

test('a server that is unwell, silent or not there does not run', async () => {
  await writeServer(home, record({ url: await listen(() => 503) }))
  expect(await findRunning(home)).toBeUndefined()
  server?.close()
  await writeServer(home, record({ url: await listen(() => undefined) }))
  expect(await findRunning(home)).toBeUndefined()
  await writeServer(home, record())
  expect(await findRunning(home)).toBeUndefined()
})
