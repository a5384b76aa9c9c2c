import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Child } from './child.ts'
import type { Guard } from './guard.ts'
import { isDeafTo, readProc } from './processTable.ts'
import { lives, until } from './testing/pilotFixture.ts'

const scratch = mkdtempSync(join(tmpdir(), 'culm-child-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Starts programs as podman does: what it starts is nobody's child here, and its number comes into a file. It ends by SIGTERM with a code of its own. */
const apartGuard = (apart: string): Guard => ({
  launch: (program, args, cwd) => ({
    ...{ program: 'sh', cwd, apart },
    args: ['-c', `trap "exit 1" TERM; setsid "$@" & echo $! >${apart}; wait`, 'sh', program, ...args],
  }),
  ending: (of) => of,
})

const started = async (name: string, ...command: string[]) => {
  const apart = join(scratch, name)
  const [program, ...args] = command
  const child = new Child(program!, args, { cwd: '/', env: { PATH: process.env.PATH! }, guard: apartGuard(apart) })
  await until('the number of its first process', () =>
    /\d\n/.test(existsSync(apart) ? readFileSync(apart, 'utf8') : ''),
  )
  const first = Number(readFileSync(apart, 'utf8'))
  // Until then it is a shell about to be something else, in which a signal may be lost.
  await until('the program itself', () => readProc(first, 'comm')?.trim() === program)
  return { child, first, apart }
}

test('what stands apart ends when it is asked to, and at once when it could not hear that', async () => {
  const { child, first, apart } = await started('asked', 'sleep', '600')
  child.end(600_000)
  await until('its end', () => !lives(first))
  await child.exited
  expect(existsSync(apart)).toBe(false)
})

test('it does not outlive what started it, however that ended', async () => {
  const { child, first } = await started('left', 'sleep', '600')
  process.kill(child.pid!, 'SIGTERM')
  expect(await child.exited).toMatchObject({ code: 1, signal: null })
  await until('its end', () => !lives(first))
})

test('who listens has its time', async () => {
  const { child, first } = await started('listens', 'sh', '-c', 'trap "" TERM; sleep 600')
  await until('that it listens', () => !isDeafTo(first, 'SIGTERM'))
  child.end(200)
  expect(lives(first)).toBe(true)
  await until('its end', () => !lives(first))
})
