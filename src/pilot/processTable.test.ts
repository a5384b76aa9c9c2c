import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import {
  familySince,
  isDeafTo,
  type Process,
  ProcessTable,
  parseStat,
  readProcess,
  readProcesses,
  rssMbOf,
} from './processTable.ts'

test('a process may be named like anything', () => {
  const text = '42 (a) b (c)) S 7 40 39 0 -1 4194304 1 2 3 4 150 50 30 20 20 0 1 0 1234 1000 10 0'
  expect(parseStat(text)).toEqual({ pid: 42, parent: 7, group: 40, session: 39, cpuSeconds: 2.5, startedTicks: 1234 })
})

const process = (pid: number, parent: number, group: number, session: number): Process => ({
  pid,
  parent,
  group,
  session,
  cpuSeconds: 0,
  startedTicks: 0,
})

test('a family is its session, its group, and the descendants of those who left them', () => {
  const processes = [
    process(1, 0, 1, 1),
    process(10, 5, 10, 10), // the leader
    process(11, 10, 11, 10), // a group of its own, as a shell makes for a job
    process(12, 1, 10, 10), // orphaned
    process(14, 13, 13, 13), // a child of one that made a session of its own
    process(13, 11, 13, 13),
    process(20, 5, 20, 20), // another
    process(21, 1, 13, 99),
  ]
  const pids = new ProcessTable(processes).familyOf(10).map((p) => p.pid)
  expect(pids.sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14])
})

test('a child is found with its memory, and its group is its own when detached', async () => {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
  await once(child, 'spawn')
  const found = readProcesses().familyOf(child.pid!)
  expect(found).toMatchObject([{ pid: child.pid, group: child.pid, session: child.pid }])
  expect(rssMbOf(child.pid!)).toBeGreaterThan(0)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(rssMbOf(child.pid!)).toBe(0)
})

test('whom a family has started since it was seen belongs to it, and who only has the number of one of it does not', async () => {
  const script = 'read word; sleep 1000 & echo started; wait'
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  await once(child, 'spawn')
  const [seen] = readProcess(child.pid!)
  expect(familySince([seen!])).toHaveLength(1)
  child.stdin!.write('go\n')
  await once(child.stdout!, 'data')
  expect(familySince([seen!]).map((p) => p.parent)).toEqual([seen!.parent, child.pid])
  expect(familySince([{ ...seen!, startedTicks: seen!.startedTicks - 1 }])).toEqual([])
  globalThis.process.kill(-child.pid!, 'SIGKILL')
  await once(child, 'exit')
})

test('who has said nothing about a signal does not hear it as the first process of a container; who traps or ignores it has', async () => {
  for (const [said, deaf] of [
    ['', true],
    ['trap : TERM;', false],
    ['trap "" TERM;', false],
  ] as const) {
    const child = spawn('sh', ['-c', `${said} echo up; read _`], { stdio: ['pipe', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    expect(isDeafTo(child.pid!, 'SIGTERM'), said).toBe(deaf)
    child.kill('SIGKILL')
  }
})
