import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Process } from './process.ts'

let logFolder: string
let culm: Process
let ownEnds: string[]

beforeEach(() => {
  logFolder = mkdtempSync(path.join(tmpdir(), 'culm-process-'))
  ownEnds = []
  culm = new Process({
    name: 'it',
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000); if (!process.env.SILENT) console.log("there", process.pid)'],
    env: { PATH: process.env.PATH },
    logFolder,
    says: 'there',
    onOwnEnd: (how) => ownEnds.push(how),
  })
})

afterEach(async () => {
  await culm.kill()
  rmSync(logFolder, { recursive: true })
})

test('what runs is not started a second time: the first would keep its port, and nobody would know it', async () => {
  await culm.start()
  const { pid } = culm
  await culm.start()
  expect([culm.pid, culm.starts]).toEqual([pid, 1])
})

test('two that start it at the same time wait for one start', async () => {
  await Promise.all([culm.start(), culm.start()])
  expect(culm.starts).toBe(1)
})

test('what was killed while it started is started anew by who wants it next', async () => {
  const first = culm.start({ SILENT: '1' })
  await culm.kill()
  await culm.start()
  await first
  expect([culm.running, culm.starts]).toEqual([true, 2])
  expect(ownEnds).toEqual([])
})

test('that it ended without being told to is said', async () => {
  await culm.start()
  process.kill(culm.pid!, 'SIGTERM')
  await expect.poll(() => ownEnds).toEqual(['SIGTERM'])
})
