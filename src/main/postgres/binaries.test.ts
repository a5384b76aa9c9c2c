import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLog } from '../../lib/log.ts'
import { runnableFolder } from './binaries.ts'

const self = { kind: 'self' } as const
let folder: string
let native: string
let copyTo: string

/** A package as npm unpacks it without running its install script: no links, here with the programs' x bit lost too. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-binaries-'))
  native = join(folder, 'package', 'native')
  copyTo = join(folder, 'home', 'pg')
  for (const name of ['bin', 'lib']) await mkdir(join(native, name), { recursive: true })
  for (const name of ['bin/initdb', 'bin/postgres', 'lib/libpq.so.5.18']) await writeFile(join(native, name), name)
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]
  await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify(links))
})
afterEach(async () => {
  await chmod(join(native, 'lib'), 0o755)
  await rm(folder, { recursive: true, force: true })
})

const runnable = () => runnableFolder({ folder: native, version: '18.4' }, self, copyTo, silentLog)

/** Root may write anywhere, so for root it is made somebody else's instead. */
const makeForeign = () =>
  process.geteuid?.() === 0 ? chown(join(native, 'lib'), 65534, 65534) : chmod(join(native, 'lib'), 0o555)

test('missing links and permissions are made in place, also by two at once', async () => {
  expect(await Promise.all([runnable(), runnable()])).toEqual([native, native])
  expect(await readlink(join(native, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18')
  expect((await stat(join(native, 'bin', 'postgres'))).mode & 0o111).toBe(0o111)
})

test('an installation that is not ours is copied once, and left as it is', async () => {
  await makeForeign()
  const copy = await runnable()
  expect(copy).toBe(join(copyTo, 'native-18.4'))
  expect(await readlink(join(copy, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18')
  await expect(lstat(join(native, 'lib', 'libpq.so.5'))).rejects.toMatchObject({ code: 'ENOENT' })
  const { ino } = await stat(copy)
  expect(await runnable()).toBe(copy)
  expect((await stat(copy)).ino).toBe(ino)
})

test('a broken copy and one of another version give way to a whole one', async () => {
  await makeForeign()
  await mkdir(join(copyTo, 'native-18.4', 'bin'), { recursive: true })
  await mkdir(join(copyTo, 'native-17.9'))
  await mkdir(join(copyTo, 'data'))
  const copy = await runnable()
  expect(await readdir(join(copy, 'lib'))).toContain('libpq.so.5')
  expect((await readdir(copyTo)).sort()).toEqual(['data', 'native-18.4'])
})
