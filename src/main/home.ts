import { access, chmod, constants, mkdir, readdir, readFile, stat, statfs } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fault } from '../contract/faults.ts'
import { writeAtomically } from './atomicFile.ts'
import { homeFault, isErrno } from './homeFault.ts'
import { networkFileSystem } from './networkFileSystem.ts'

/** What `prepareHome` makes in a data home, each for its owner alone. */
export const homeFolders = ['pg', 'storage', 'logs', 'run'] as const

/** Free space that a first start asks for: a new cluster is 65 MB with its first WAL, and work comes on top. */
const firstStartMb = 500

/**
 * Free space that a later start asks for: enough for PostgreSQL to replay its log and for someone to look and tidy up.
 */
const laterStartMb = 64

/**
 * The data home of this user: `CULM_HOME`, else `~/.culm`. A leading `~/`, which files of variables keep as it is,
 * means HOME.
 */
export const resolveHome = (env: NodeJS.ProcessEnv): string => {
  const userHome = env.HOME || homedir()
  const wanted = env.CULM_HOME || join(userHome, '.culm')
  return resolve(wanted.replace(/^~(?=\/|$)/, userHome))
}

export type HomeOptions = {
  /** The version of this Culm, such as `0.1.0`. */
  version: string
  /** Tells the file system of a folder; tests pass one that is full or remote. */
  statFileSystem?: (path: string) => Promise<FileSystemStats>
}

/** The part of statfs(2) that is used: sizes in blocks of `bsize` bytes. */
export type FileSystemStats = { type: number; bsize: number; bavail: number; files: number; ffree: number }

/**
 * Makes the data home ready, or says what is wrong with it and what to do: on a network file system, full, not ours,
 * not writable, or made by a newer Culm. Safe to repeat, and to run twice at once.
 */
export const prepareHome = async (path: string, { version, statFileSystem = statfs }: HomeOptions): Promise<void> => {
  try {
    const madeBy = await readVersion(path)
    await refuseNewer(path, madeBy, version)
    await refuseUnfitFileSystem(path, madeBy ? laterStartMb : firstStartMb, statFileSystem)
    await makeFolders(path, madeBy !== undefined)
    if (madeBy === undefined) await stampHome(path, version)
  } catch (error) {
    throw homeFault(path, error)
  }
}

/**
 * Writes which Culm has the home now: for the one who holds it (`claimHome`), before he changes anything. Older ones
 * refuse it then.
 */
export const stampHome = (path: string, version: string): Promise<void> =>
  writeAtomically(join(path, 'version'), `${version}\n`)

const readVersion = async (path: string): Promise<string | undefined> => {
  try {
    return (await readFile(join(path, 'version'), 'utf8')).trim()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Migrations only go forward, so what a newer Culm has touched is not opened by an older one. */
const refuseNewer = async (path: string, madeBy: string | undefined, version: string): Promise<void> => {
  if (madeBy === undefined || compareVersions(madeBy, version) <= 0) return
  throw fault(
    'home_too_old',
    `${path} was last used by Culm ${madeBy}, and this is ${version}: install ${madeBy} or newer, or set CULM_HOME to another folder`,
    { found: madeBy, expected: version },
  )
}

const compareVersions = (a: string, b: string): number => {
  const [left, right] = [a, b].map((text) => text.split(/[.+-]/, 3).map((part) => Number.parseInt(part, 10) || 0))
  const first = [0, 1, 2].find((i) => left?.[i] !== right?.[i])
  return first === undefined ? 0 : (left?.[first] ?? 0) - (right?.[first] ?? 0)
}

const refuseUnfitFileSystem = async (
  path: string,
  neededMb: number,
  statFileSystem: (path: string) => Promise<FileSystemStats>,
): Promise<void> => {
  const existing = await nearestExisting(path)
  const stats = await statFileSystem(existing)
  const remote = await networkFileSystem(existing, stats.type)
  if (remote) {
    throw fault(
      'home_on_network_fs',
      `${path} is on ${remote}, where a database loses data: set CULM_HOME to a folder on a local disk, such as /tmp/$USER/culm or /var/tmp/$USER/culm`,
      { path, fileSystem: remote },
    )
  }
  const freeMb = Math.floor((stats.bavail * stats.bsize) / 2 ** 20)
  const outOfInodes = stats.files > 0 && stats.ffree === 0
  if (freeMb >= neededMb && !outOfInodes) return
  const what = outOfInodes ? 'no free inodes' : `${freeMb} MB free, and Culm asks for ${neededMb} MB`
  throw fault('home_disk_full', `the disk of ${path} has ${what}: free some space, or set CULM_HOME to another disk`, {
    path,
    freeMb,
    neededMb,
  })
}

const nearestExisting = async (path: string): Promise<string> => {
  try {
    await stat(path)
    return path
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error
    return nearestExisting(dirname(path))
  }
}

/**
 * Ours are 0700; one that others may pass (not read) is left so, since PostgreSQL may run as another user in there. A
 * folder that had files of other making keeps its mode: CULM_HOME=/tmp must not close /tmp.
 */
const makeFolders = async (path: string, isHome: boolean): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { uid, mode } = await stat(path)
  refuseForeign(path, uid)
  if ((mode & 0o066) !== 0 && (isHome || (await readdir(path)).length === 0)) await chmod(path, 0o700)
  for (const name of homeFolders) await mkdir(join(path, name), { recursive: true, mode: 0o700 })
  await access(path, constants.W_OK)
}

/** Root could write into anybody's home, and would leave files there that its owner cannot touch. */
const refuseForeign = (path: string, uid: number): void => {
  if (uid === process.geteuid?.()) return
  throw fault(
    'home_not_writable',
    `${path} belongs to user ${uid}, and this process runs as ${process.geteuid?.()}: run Culm as its owner, or set CULM_HOME to a folder of your own`,
    { path, owner: uid },
  )
}
