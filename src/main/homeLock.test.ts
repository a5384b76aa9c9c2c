import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { claimHome, lockHome } from './homeLock.ts'
import { writeServer } from './homeServer.ts'

let folder: string
let home: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-lock-'))
  home = join(folder, 'home')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('of many at once exactly one gets the lock, and the next one when it is released', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => lockHome(home)))
  const [release, ...others] = all.filter((lock) => lock !== undefined)
  expect(others).toEqual([])
  await release?.()
  const again = await lockHome(home)
  expect(again).toBeDefined()
  await again?.()
})

test('a copy of a home is another home', async () => {
  const release = await lockHome(home)
  await cp(home, join(folder, 'copy'), { recursive: true })
  const other = await lockHome(join(folder, 'copy'))
  expect(other).toBeDefined()
  await other?.()
  await release?.()
})

test('the lock of a process that was killed is free at once', async () => {
  const module = JSON.stringify(new URL('./homeLock.ts', import.meta.url).href)
  const program = `const { lockHome } = await import(${module}); console.log(await lockHome(${JSON.stringify(home)}) ? 'held' : 'refused'); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await once(child.stdout.setEncoding('utf8'), 'data')
  expect(said.trim()).toBe('held')
  expect(await lockHome(home)).toBeUndefined()
  child.kill('SIGKILL')
  await once(child, 'exit')
  const release = await lockHome(home)
  expect(release).toBeDefined()
  await release?.()
})

test('who comes second waits for the first to answer, and attaches to it', async () => {
  const first = await claimHome(home)
  expect(first.kind).toBe('mine')
  const second = claimHome(home, { waitMs: 10_000 })
  const server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeServer(home, { url, pid: process.pid, startedAt: '2026-01-02T03:04:05Z', version: '1.2.0' })
  expect(await second).toMatchObject({ kind: 'running', server: { url } })
  server.closeAllConnections()
  server.close()
  if (first.kind === 'mine') await first.release()
})

test('who comes second goes on when the first gives up without a server', async () => {
  const first = await claimHome(home)
  const second = claimHome(home, { waitMs: 10_000 })
  if (first.kind === 'mine') await first.release()
  const claim = await second
  expect(claim.kind).toBe('mine')
  if (claim.kind === 'mine') await claim.release()
})

test('a holder that neither answers nor ends is told of, with the remedy', async () => {
  const release = await lockHome(home)
  await expect(claimHome(home, { waitMs: 100 })).rejects.toMatchObject({ code: 'home_in_use', data: { home } })
  await expect(claimHome(home, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: 'TimeoutError' })
  await release?.()
  expect((await stat(join(home, 'run'))).mode & 0o777).toBe(0o700)
})
