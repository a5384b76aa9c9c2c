import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FileSystemStats, homeFolders, prepareHome, resolveHome, stampHome } from './home.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-home-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const roomy: FileSystemStats = { type: 0xef53, bsize: 4096, bavail: 2 ** 20, files: 1000, ffree: 500 }
const on = (stats: Partial<FileSystemStats>) => ({
  version: '1.2.0',
  statFileSystem: async () => ({ ...roomy, ...stats }),
})
const ownedBy = async (uid: number): Promise<string> => {
  await mkdir(join(folder, 'theirs'))
  await chown(join(folder, 'theirs'), uid, uid)
  return join(folder, 'theirs')
}
const modeOf = async (path: string) => (await stat(path)).mode & 0o777

describe('where the home is', () => {
  test.each([
    [{ HOME: '/home/ada' }, '/home/ada/.culm'],
    [{ HOME: '/home/ada', CULM_HOME: '/var/tmp/ada/culm/' }, '/var/tmp/ada/culm'],
    [{ HOME: '/home/ada', CULM_HOME: '~/scratch/culm' }, '/home/ada/scratch/culm'],
    [{ HOME: '/home/ada', CULM_HOME: '' }, '/home/ada/.culm'],
  ])('with %o it is %s', (env, home) => {
    expect(resolveHome(env)).toBe(home)
  })
})

describe('a home that is made ready', () => {
  test('has its folders, all closed to others, and can be made ready again', async () => {
    const home = join(folder, 'a', 'home')
    await prepareHome(home, { version: '1.2.0' })
    await prepareHome(home, { version: '1.2.0' })
    for (const name of ['', ...homeFolders]) expect(await modeOf(join(home, name))).toBe(0o700)
    expect(await readFile(join(home, 'version'), 'utf8')).toBe('1.2.0\n')
  })

  test('is closed again when someone opened it, but stays passable for a PostgreSQL of another user', async () => {
    const home = join(folder, 'home')
    await prepareHome(home, on({}))
    await chmod(home, 0o755)
    await prepareHome(home, on({}))
    expect(await modeOf(home)).toBe(0o700)
    await chmod(home, 0o711)
    await prepareHome(home, on({}))
    expect(await modeOf(home)).toBe(0o711)
  })

  test('keeps the mode of a folder that already holds other things', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine')
    await chmod(folder, 0o755)
    await prepareHome(folder, on({}))
    expect(await modeOf(folder)).toBe(0o755)
    expect(await modeOf(join(folder, 'pg'))).toBe(0o700)
  })
})

describe('a home that cannot be used is refused', () => {
  test.each([
    ['AFS', 0x5346414f],
    ['NFS', 0x6969],
    ['Lustre', 0x0bd00bd0],
    ['GPFS', 0x47504653],
    ['CIFS', 0xff534d42],
    ['CIFS', 0xff534d42 | 0], // as a system with signed 32-bit numbers tells it
  ])('on %s, with the remedy', async (name, type) => {
    const refused = prepareHome(join(folder, 'home'), on({ type }))
    await expect(refused).rejects.toMatchObject({ code: 'home_on_network_fs', data: { fileSystem: name } })
    await expect(refused).rejects.toThrow(/set CULM_HOME to a folder on a local disk/)
    await expect(stat(join(folder, 'home'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('when the disk is nearly full; a home that exists needs less than a new one', async () => {
    const home = join(folder, 'home')
    const mb = (n: number) => on({ bavail: n * 256 })
    await expect(prepareHome(home, mb(499))).rejects.toMatchObject({ code: 'home_disk_full', data: { freeMb: 499 } })
    await prepareHome(home, mb(500))
    await prepareHome(home, mb(64))
    await expect(prepareHome(home, mb(63))).rejects.toMatchObject({ code: 'home_disk_full' })
  })

  test('when no inodes are left; a file system that does not count them is no matter', async () => {
    await expect(prepareHome(join(folder, 'home'), on({ ffree: 0 }))).rejects.toMatchObject({ code: 'home_disk_full' })
    await prepareHome(join(folder, 'home'), on({ files: 0, ffree: 0 }))
  })

  test('when a file stands in its way', async () => {
    await writeFile(join(folder, 'home'), '')
    await expect(prepareHome(join(folder, 'home'), on({}))).rejects.toMatchObject({ code: 'home_not_writable' })
    await expect(prepareHome(join(folder, 'home', 'below'), on({}))).rejects.toMatchObject({
      code: 'home_not_writable',
    })
  })

  test('when the path is longer than the system allows', async () => {
    await expect(prepareHome(join(folder, 'x'.repeat(300)), on({}))).rejects.toMatchObject({
      code: 'home_path_too_long',
    })
  })

  test('when it belongs to another user', async () => {
    const foreign = process.geteuid?.() === 0 ? await ownedBy(65534) : '/'
    await expect(prepareHome(foreign, on({}))).rejects.toMatchObject({ code: 'home_not_writable' })
  })

  test('when a newer Culm has had it, and not when an older one has', async () => {
    await prepareHome(folder, on({}))
    await stampHome(folder, '1.10.0')
    const refused = prepareHome(folder, on({}))
    await expect(refused).rejects.toMatchObject({
      code: 'home_too_old',
      data: { found: '1.10.0', expected: '1.2.0' },
    })
    await stampHome(folder, '1.1.9')
    await prepareHome(folder, on({}))
  })
})
