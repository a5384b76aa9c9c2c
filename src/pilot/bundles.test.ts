import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { maxBundleBytes } from '../contract/blobs.ts'
import type { Report } from '../contract/pilots.ts'
import { pilotFixture } from './testing/pilotFixture.ts'

const pilots = pilotFixture()

type File = { path: string; hash: string; bytes: number }

const source = 'export const f = () => 1'
const file = (path: string, bytes = source.length): File => ({ path, hash: pilots.server.store(source), bytes })

/** How a job ends whose bundle has this manifest, which is not looked at on its way. */
const ended = (files: File[]): Promise<Report> => {
  const bundle = pilots.server.store(JSON.stringify({ version: 1, language: 'node', files }))
  const payload = { kind: 'function', bundle, module: 'm.mjs', export: 'f', language: 'node' } as const
  return pilots.server.ended(pilots.server.submit({ payload }))
}

const refused = (type: string, message?: RegExp) => ({
  ...{ what: 'failed', cause: 'bundle' },
  error: { type, ...(message ? { message: expect.stringMatching(message) } : {}) },
})

/** What lies in the folder of bundles: nothing half-made stays there. */
const unpacked = (folder: string): string[] => readdirSync(join(folder, 'bundles', 'u1'))

test('a bundle is unpacked only to paths below its folder, written in one way', async () => {
  const { folder } = await pilots.start()
  const paths = [
    '../evil.mjs',
    '/evil.mjs',
    'a/../../evil.mjs',
    'a/./b',
    'a//b',
    'a/',
    '',
    '.',
    '..',
    'a\\..\\b',
    'a\u0000b',
  ]
  for (const path of paths)
    expect(await ended([file('m.mjs'), file(path)]), path).toMatchObject(refused('BundleInvalid'))
  expect(unpacked(folder)).toEqual([])
  expect(await ended([file('m.mjs'), file('.hidden/..a/b..c'), file('ä/ö.txt')])).toMatchObject({ what: 'finished' })
})

test('files that would be one on this machine are told apart from a disk that fails', async () => {
  const { folder } = await pilots.start()
  // What differs in case alone is the same path to some file systems; here the same path has to stand for that.
  expect(await ended([file('m.mjs'), file('m.mjs')])).toMatchObject(refused('BundleClash', /^m\.mjs and another file/))
  expect(await ended([file('m.mjs'), file('a'), file('a/b')])).toMatchObject(refused('BundleClash'))
  expect(unpacked(folder)).toEqual([])
})

test('a bundle that is larger than any may be is refused before its files are fetched', async () => {
  await pilots.start()
  const huge = { ...file('huge.bin', maxBundleBytes), hash: pilots.server.store('huge') }
  expect(await ended([file('m.mjs'), huge])).toMatchObject(refused('BundleInvalid', /the limit is/))
  const many = Array.from({ length: 20_001 }, (_, n) => ({ ...file(`f${n}`), hash: huge.hash }))
  expect(await ended(many)).toMatchObject(refused('BundleInvalid'))
  expect(pilots.server.fetched.has(huge.hash)).toBe(false)
})

test('a file is as large as the manifest says', async () => {
  await pilots.start()
  expect(await ended([file('m.mjs', 1)])).toMatchObject(refused('BundleInvalid', /m\.mjs is not of the size/))
})
