import { createHash } from 'node:crypto'
import { chmod, mkdir, readlink, realpath, symlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Log } from '../../lib/log.ts'
import { canReach, giveTo, type RunAs } from './runAs.ts'

/**
 * Where the cluster, its logs and, if need be, a copy of the programs lie. All paths are real ones, without symbolic
 * links.
 */
export type Place = { home: string; dataDir: string; logDir: string; binariesDir: string }

/**
 * As the home says, unless PostgreSQL runs as another user who cannot get there (below /root): then in /var/lib/culm,
 * with a link at home.
 */
export const choosePlace = async (wanted: {
  home: string
  dataDir: string
  runAs: RunAs
  log: Log
}): Promise<Place> => {
  const { home, runAs } = wanted
  const dataDir = await realDataDir(wanted.dataDir)
  if (runAs.kind !== 'user') {
    const logDir = join(home, 'logs')
    await mkdir(logDir, { recursive: true, mode: 0o700 })
    return { home, dataDir, logDir, binariesDir: join(home, 'pg') }
  }
  const reachable = await reachableDataDir({ ...wanted, dataDir })
  return { home, dataDir: reachable, logDir: join(reachable, 'log'), binariesDir: dirname(reachable) }
}

/** A link counts also while nothing is at its end: the first start may have failed after making it. */
const realDataDir = async (path: string): Promise<string> => {
  const linked = await readlink(path).catch(() => undefined)
  if (linked !== undefined) return realDataDir(resolve(dirname(path), linked))
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  return join(await realpath(dirname(path)), basename(path))
}

/** The way through our own folders is opened for passing, not for looking around. */
const reachableDataDir = async ({
  home,
  dataDir,
  runAs,
  log,
}: {
  home: string
  dataDir: string
  runAs: RunAs
  log: Log
}) => {
  for (const folder of new Set([home, join(home, 'pg'), dirname(dataDir)])) await chmod(folder, 0o711).catch(() => {})
  if (await canReach(runAs, dirname(dataDir))) return dataDir

  const elsewhere = join(farFolder, createHash('sha256').update(dataDir).digest('hex').slice(0, 16), 'data')
  await mkdir(dirname(elsewhere), { recursive: true, mode: 0o711 })
  await giveTo(runAs, dirname(elsewhere))
  await symlink(elsewhere, dataDir)
  log.warn(
    { dataDir: elsewhere },
    `PostgreSQL runs as another user, who cannot reach ${home}: the database is in ${elsewhere}`,
  )
  return elsewhere
}

/** Where the file hierarchy standard has the state of a system's programs; only root gets here. */
const farFolder = '/var/lib/culm'
