import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nextStart, pilotName } from './pilotName.ts'

test('the name of a pilot is made once, read by its owner alone, and outlives restarts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'culm-name-'))
  const names = await Promise.all([pilotName(folder, 'one'), pilotName(folder, 'one')])
  expect(new Set(names)).toEqual(new Set(['one']))
  expect(await pilotName(folder, 'two')).toBe('one')
  expect((await stat(join(folder, 'name'))).mode & 0o777).toBe(0o600)
  await writeFile(join(folder, 'name'), '')
  expect(await pilotName(folder, 'three')).toBe('three')
  await rm(folder, { recursive: true })
})

test('each start of a pilot has a larger number than all before, whatever happens to the clock or the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'culm-start-'))
  expect(await nextStart(folder, 5000)).toBe(5000)
  expect(await nextStart(folder, 5000)).toBe(5001)
  expect(await nextStart(folder, 100)).toBe(5002)
  await writeFile(join(folder, 'start'), 'torn')
  expect(await nextStart(folder, 6000)).toBe(6000)
  await rm(folder, { recursive: true })
})
