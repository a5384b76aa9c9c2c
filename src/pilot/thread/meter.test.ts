import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import type { FromSecond } from './messages.ts'
import { Meter } from './meter.ts'

type Measured = Extract<FromSecond, { t: 'measured' }>

const sleeper = async (): Promise<number> => {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child.pid!
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

test('who comes during a rest is looked at soon, and nobody who is no longer watched', async () => {
  const said: Measured[] = []
  const meter = new Meter((message) => message.t === 'measured' && said.push(message), { unlimitedMs: 1_000_000 })
  const pid = await sleeper()
  meter.watch('first', pid, null)
  await until(() => said.length > 0)
  expect(said[0]).toMatchObject({ key: 'first', cpuSeconds: 0 })
  expect(said[0]!.rssMb).toBeGreaterThan(0)
  meter.unwatch('first')
  meter.watch('second', pid, null)
  await until(() => said.length > 1)
  expect(said.map(({ key }) => key)).toEqual(['first', 'second'])
  meter.unwatch('second')
})

test('what else its thread has to do goes on while it looks', async () => {
  const said: Measured[] = []
  const meter = new Meter((message) => message.t === 'measured' && said.push(message))
  const pids = await Promise.all(Array.from({ length: 30 }, sleeper))
  for (const [n, pid] of pids.entries()) meter.watch(`w${n}`, pid, null)
  let turns = 0
  while (said.length < pids.length) {
    turns++
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(turns).toBeGreaterThan(10)
  for (const n of pids.keys()) meter.unwatch(`w${n}`)
})

test('a family that comes over its limit between two looks at all processes is told of', async () => {
  const told = new Set<string>()
  const meter = new Meter((message) => told.add(message.t), { unlimitedMs: 1_000_000 })
  const script = "process.stdin.once('data', () => { globalThis.kept = Buffer.alloc(400_000_000, 1) })"
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'ignore', 'ignore'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  meter.watch('grows', child.pid!, 300)
  await until(() => told.has('measured'))
  expect(told.has('over')).toBe(false)
  child.stdin!.write('go')
  await until(() => told.has('over'))
  meter.unwatch('grows')
})
