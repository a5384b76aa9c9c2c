import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { type Kept, supervise } from './supervise.ts'

const start = (command: string, ...args: string[]): Kept => {
  const child = spawn(command, args, { stdio: 'ignore' })
  const ended = once(child, 'exit').then(([code, signal]) => (signal ? `killed by ${signal}` : `exit code ${code}`))
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { pid: child.pid!, ended, stop }
}

const heard = () => {
  const said: string[] = []
  const words = {
    endedByItself: (how: string) => void said.push(how),
    notStarted: (error: unknown) => void said.push(String(error)),
    leftAlone: (how: string, times: number) => new Error(`${how}, ${times} times`),
  }
  return { said, words }
}

test('what is killed is started again, and what is stopped is not', async () => {
  const { said, words } = heard()
  let started: (kept: Kept) => void
  const again = new Promise<Kept>((resolve) => {
    started = resolve
  })
  const first = start('sleep', '60')
  const supervised = supervise(
    first,
    async () => {
      const next = start('sleep', '60')
      started(next)
      return next
    },
    words,
  )
  process.kill(first.pid, 'SIGKILL')
  const second = await again
  expect(said).toEqual(['killed by SIGKILL'])
  await supervised.stop()
  expect(await second.ended).toBe('killed by SIGTERM')
  expect(said).toHaveLength(1)
})

test('what ends at once five times in a row, or cannot be started five times, is left alone with the reason', async () => {
  const { said, words } = heard()
  const ends = supervise(start('false'), async () => start('false'), words)
  expect(await ends.failed).toEqual(new Error('exit code 1, 5 times'))
  expect(said).toEqual(Array(4).fill('exit code 1'))

  const other = heard()
  const refuses = () => Promise.reject(new Error('no room'))
  const failed = supervise(start('false'), refuses, other.words)
  expect(await failed.failed).toEqual(new Error('no room'))
  expect(other.said).toEqual(['exit code 1', ...Array(5).fill('Error: no room')])
})
