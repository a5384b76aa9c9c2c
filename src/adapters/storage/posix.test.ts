import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { conformStorage } from '../../../test/conformance/storage.ts'
import { posixStorage } from './posix.ts'

const folders: string[] = []
const freshFolder = async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-posix-'))
  folders.push(folder)
  return folder
}
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))

conformStorage(async () => posixStorage(await freshFolder()))

test('a refused upload leaves no part of it on the disk', async () => {
  const folder = await freshFolder()
  const upload = posixStorage(folder).put(
    '1/key',
    { hash: '0'.repeat(64), bytes: 3 },
    (async function* () {
      yield Buffer.from('one')
    })(),
  )
  await expect(upload).rejects.toMatchObject({ code: 'blob_mismatch' })
  expect(await readdir(path.join(folder, '1'))).toEqual([])
})
