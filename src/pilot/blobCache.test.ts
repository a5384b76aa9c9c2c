import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeClient } from '../contract/client.ts'
import { BlobCache } from './blobCache.ts'
import { FakeServer } from './testing/fakeServer.ts'

const cacheOf = async (maxBytes?: number) => {
  const server = await new FakeServer().start()
  const folder = await mkdtemp(join(tmpdir(), 'culm-blobs-'))
  onTestFinished(async () => {
    vi.useRealTimers()
    await server.stop()
    await rm(folder, { recursive: true })
  })
  const client = makeClient({ url: server.url, token: 'token-of-the-pilot' })
  return { server, cache: new BlobCache({ folder, client, maxBytes }) }
}

test('what was fetched is ready for some minutes, and looked for again after them', async () => {
  const { server, cache } = await cacheOf()
  const hash = server.store('much')
  expect(cache.ready(hash)).toBeUndefined()
  const path = await cache.fetch(hash, 'w1')
  expect(cache.ready(hash)).toBe(path)
  expect(await readFile(path, 'utf8')).toBe('much')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 300_000 })
  expect(cache.ready(hash)).toBeUndefined()
  expect(await cache.fetch(hash, 'w1')).toBe(path)
  expect(cache.ready(hash)).toBe(path)
  expect(server.fetched.get(hash)).toBe(1)
})

test('once old files had to go, nothing is said to be ready that was not looked for', async () => {
  const { server, cache } = await cacheOf(10)
  const hash = server.store('much')
  await cache.fetch(hash, 'w1')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 700_000 })
  await cache.fetch(server.store('more than ten bytes'), 'w1')
  expect(cache.ready(hash)).toBeUndefined()
  await cache.fetch(hash, 'w1')
  expect(server.fetched.get(hash)).toBe(2)
})
