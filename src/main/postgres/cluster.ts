import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fault } from '../../contract/faults.ts'
import type { Log } from '../../lib/log.ts'
import { syncFolder } from '../atomicFile.ts'
import { isErrno } from '../homeFault.ts'
import type { Binaries } from './binaries.ts'
import { superuser } from './connection.ts'
import { postgresFault } from './failure.ts'
import type { Place } from './place.ts'
import { cannotRun, commandAs, giveTo, plainEnv, type RunAs } from './runAs.ts'
import { settingsFile } from './settings.ts'

export type ClusterOptions = {
  place: Place
  binaries: Binaries
  runAs: RunAs
  durable: boolean
  log: Log
  signal?: AbortSignal
}

/**
 * Makes the cluster if there is none, and gives the password of its superuser. It is made beside and then moved into
 * its place, so what stands there is whole: a start that was killed leaves only something to throw away.
 */
export const openCluster = async (options: ClusterOptions): Promise<string> => {
  const { dataDir } = options.place
  const major = await readIfThere(join(dataDir, 'PG_VERSION'))
  if (major === undefined) await createCluster(options)
  else refuseOtherMajor(dataDir, major.trim(), options.binaries)
  return readPassword(dataDir)
}

/** It lies in the cluster, so that the two are never parted; nobody else can read there. */
const passwordFile = 'culm.password'

const readPassword = async (dataDir: string): Promise<string> => {
  const password = await readIfThere(join(dataDir, passwordFile))
  if (password) return password.trim()
  throw fault('postgres_failed', `${join(dataDir, passwordFile)} is missing: put it back from a copy of the folder`, {
    dataDir,
  })
}

/** The format of a cluster changes with each major version, and the package has no pg_upgrade. */
const refuseOtherMajor = (dataDir: string, found: string, binaries: Binaries): void => {
  if (found === binaries.major) return
  throw fault(
    'home_too_old',
    `${dataDir} was made by PostgreSQL ${found}, and this Culm brings ${binaries.version}: use the Culm that made it, or move the folder away to start anew`,
    { found, expected: binaries.major },
  )
}

const createCluster = async (options: ClusterOptions): Promise<void> => {
  const { place, runAs, durable, log, signal } = options
  signal?.throwIfAborted()
  await refuseStrangeFolder(place.dataDir)
  const fresh = `${place.dataDir}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { mode: 0o700 })
  await giveTo(runAs, fresh)
  log.info({ dataDir: place.dataDir }, 'making a new PostgreSQL cluster')
  try {
    await initialise(fresh, options)
    await rename(fresh, place.dataDir)
    if (durable) await syncFolder(dirname(place.dataDir))
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  }
}

const refuseStrangeFolder = async (dataDir: string): Promise<void> => {
  const names = await readdir(dataDir).catch(() => [])
  if (names.length === 0) return
  throw fault(
    'postgres_failed',
    `${dataDir} is not empty and holds no PostgreSQL cluster: move it away, or set CULM_HOME to another folder`,
    {
      dataDir,
    },
  )
}

/** initdb wants an empty folder, so the password waits beside it, and comes in afterwards. */
const initialise = async (fresh: string, options: ClusterOptions): Promise<void> => {
  const { runAs } = options
  const waiting = `${fresh}.password`
  const kept = join(fresh, passwordFile)
  try {
    await writeFile(waiting, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true })
    await giveTo(runAs, waiting)
    await runInitdb(fresh, waiting, options)
    await rename(waiting, kept)
  } finally {
    await rm(waiting, { force: true })
  }
  // Appended, so that initdb's own findings (time zone, kind of shared memory) stay, and ours win.
  await appendFile(join(fresh, 'postgresql.conf'), `\ninclude_if_exists = '${settingsFile}'\n`, { flush: true })
  await syncFolder(fresh)
}

/**
 * C.UTF-8 of the builtin provider sorts by code point, the same on every machine and after every upgrade of its C
 * library, and knows upper from lower case beyond ASCII. Data checksums are on by default since PostgreSQL 18. A
 * durable cluster is synced by initdb: later checkpoints only sync what was written since, so without it a loss of
 * power could take tables that acknowledged work depends on.
 */
const runInitdb = async (
  dataDir: string,
  pwfile: string,
  { place, binaries, runAs, durable, signal }: ClusterOptions,
): Promise<void> => {
  const args = [
    '-D',
    dataDir,
    '-U',
    superuser,
    `--pwfile=${pwfile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
  ]
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions')
  if (!durable) args.push('--no-sync')
  const { code, output } = await run(commandAs(runAs, binaries.initdb, args), dirname(dataDir), signal)
  if (code !== 0) throw await postgresFault({ doing: 'making the cluster', output, place })
}

const run = (
  command: ReturnType<typeof commandAs>,
  cwd: string,
  signal?: AbortSignal,
): Promise<{ code: number | null; output: string }> =>
  new Promise((resolve, reject) => {
    const { file, args, uid, gid } = command
    const child = spawn(file, args, { cwd, uid, gid, env: plainEnv(), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    const kill = () => child.kill('SIGTERM')
    signal?.addEventListener('abort', kill, { once: true })
    child.once('error', (error) => reject(cannotRun(file, error)))
    child.once('close', (code) => {
      signal?.removeEventListener('abort', kill)
      if (signal?.aborted) reject(signal.reason)
      else resolve({ code, output })
    })
  })

const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
