import { chmod, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { chooseSocketFolder, socketPathBytes } from './socketFolder.ts'

const self = { kind: 'self' } as const
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-socket-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Nothing is made at this path: only its length matters. */
const dataDirOf = (bytes: number): string => `/${'d'.repeat(bytes - 1)}`
const longest = socketPathBytes - '/.s.PGSQL.5432'.length

test('the socket is in the cluster as long as its path fits, to the byte', async () => {
  const env = { XDG_RUNTIME_DIR: folder }
  expect(await chooseSocketFolder({ dataDir: dataDirOf(longest), runAs: self, env })).toBe(dataDirOf(longest))
  const elsewhere = await chooseSocketFolder({ dataDir: dataDirOf(longest + 1), runAs: self, env })
  expect(elsewhere.startsWith(join(folder, `culm-${process.geteuid?.()}-`))).toBe(true)
  expect((await stat(elsewhere)).mode & 0o777).toBe(0o700)
  expect(await chooseSocketFolder({ dataDir: dataDirOf(longest + 1), runAs: self, env })).toBe(elsewhere)
  expect(await chooseSocketFolder({ dataDir: dataDirOf(longest + 2), runAs: self, env })).not.toBe(elsewhere)
})

test('bytes are counted, not characters', async () => {
  const dataDir = `/${'é'.repeat(longest / 2 + 1)}`
  const chosen = await chooseSocketFolder({ dataDir, runAs: self, env: { XDG_RUNTIME_DIR: folder } })
  expect(chosen).not.toBe(dataDir)
})

test('a folder of that name which is open to others, or a link, is not used', async () => {
  const of = { dataDir: `${folder}/${'d'.repeat(120)}`, runAs: self, env: { XDG_RUNTIME_DIR: folder } }
  const chosen = await chooseSocketFolder(of)
  await chmod(chosen, 0o755)
  const second = await chooseSocketFolder(of)
  await rm(chosen, { recursive: true })
  await mkdir(join(folder, 'elsewhere'), { mode: 0o700 })
  await symlink(join(folder, 'elsewhere'), chosen)
  const third = await chooseSocketFolder(of)
  expect([second, third].map((path) => path.startsWith(folder))).toEqual([false, false])
  expect(basename(second)).toBe(basename(chosen))
  await rm(second, { recursive: true })
})
