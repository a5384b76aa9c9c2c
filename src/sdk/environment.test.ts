import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { needsOf } from './definition.ts'
import { environmentOf } from './environment.ts'

const folder = mkdtempSync(join(tmpdir(), 'culm-locks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'own.txt'), 'numpy==1.26.4\n')

test('a lock file is read beside the work, by its path; a text is one', async () => {
  for (const requirements of ['own.txt', join(folder, 'own.txt'), 'numpy==1.26.4\n'])
    expect(await environmentOf({ requirements }, folder)).toEqual({ requirements: 'numpy==1.26.4\n' })
  expect(await environmentOf({ conda: '@EXPLICIT\n' }, undefined)).toEqual({ conda: '@EXPLICIT\n' })
})

test('one that is not there is refused, and so is a path in a job', async () => {
  await expect(environmentOf({ conda: 'none.txt' }, folder)).rejects.toMatchObject({
    code: 'environment_invalid',
    message: expect.stringContaining(join(folder, 'none.txt')),
  })
  await expect(environmentOf({ requirements: 'own.txt' }, undefined)).rejects.toThrow(/give its text/)
})

test('where nothing is said nothing is sent; what is empty is said', async () => {
  expect(await environmentOf({ initEnv: undefined }, folder)).toBeUndefined()
  expect(await environmentOf({ initEnv: '', image: 'host' }, folder)).toEqual({ initEnv: '', image: 'host' })
})

test('it is no part of what else a task asks for', () => {
  const environment = { requirements: 'a==1', conda: '', initEnv: 'i', cleanEnv: 'c', postScript: 'p', image: 'm' }
  expect(needsOf({ cores: 2, attempts: 3, ...environment })).toEqual({ cores: 2, attempts: { user: 3 } })
})
