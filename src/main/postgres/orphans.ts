import { execFile } from 'node:child_process'
import { readdir, readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fault } from '../../contract/faults.ts'
import { sleep } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { isErrno } from '../homeFault.ts'
import { isAlive } from '../homeServer.ts'
import { socketName } from './connection.ts'

/**
 * Ends what an earlier life left behind: a postmaster whose leash failed or is still pulling, or server processes whose
 * postmaster was killed and who have not noticed yet. They are ended rather than adopted, because a fresh postmaster
 * runs the programs and settings of this start, and is our child.
 */
export const endOrphans = async (dataDir: string, socketFolder: string, log: Log): Promise<void> => {
  const pid = await postmasterPid(dataDir)
  if (pid !== undefined) {
    const left = await processesOf(dataDir)
    if (left.length > 0) {
      log.warn({ dataDir, pids: left }, 'ending a PostgreSQL that an earlier process left behind')
      await endAll(dataDir, left.includes(pid) ? pid : undefined)
    }
  }
  await removeStaleLock(join(dataDir, pidFile))
  await removeStaleLock(join(socketFolder, `${socketName}.lock`))
}

const pidFile = 'postmaster.pid'

/**
 * PostgreSQL removes a lock file whose process is gone, and refuses to start when there is one of that number: a zombie
 * that nobody has collected yet (in a container without an init, nobody ever will), or somebody to whom the number
 * went. Here it is known that no server process of the cluster lives; and PostgreSQL's lock on its shared memory stays
 * as the last guard.
 */
const removeStaleLock = async (path: string): Promise<void> => {
  const pid = await pidIn(path)
  if (pid !== undefined && isAlive(pid)) await rm(path, { force: true })
}

/**
 * How to end them, the gentle way first: a signal to whom, and the seconds it has. Without a postmaster the others
 * notice by themselves.
 */
const endAll = async (dataDir: string, postmaster: number | undefined): Promise<void> => {
  if (postmaster) send([postmaster], 'SIGINT')
  if (await allGone(dataDir, postmaster ? 15_000 : 1_000)) return
  send(postmaster ? [postmaster] : await processesOf(dataDir), 'SIGQUIT')
  if (await allGone(dataDir, 5_000)) return
  send(await processesOf(dataDir), 'SIGKILL')
  if (await allGone(dataDir, 5_000)) return
  throw fault(
    'postgres_failed',
    `a PostgreSQL of an earlier start holds ${dataDir} and cannot be ended: ${await processesOf(dataDir)}`,
  )
}

const allGone = async (dataDir: string, withinMs: number): Promise<boolean> => {
  const deadline = performance.now() + withinMs
  while ((await processesOf(dataDir)).length > 0) {
    if (performance.now() > deadline) return false
    await sleep(25)
  }
  return true
}

const send = (pids: number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error
    }
  }
}

/** The number in the first line of postmaster.pid; undefined after an orderly end. */
export const postmasterPid = (dataDir: string): Promise<number | undefined> => pidIn(join(dataDir, pidFile))

const pidIn = async (path: string): Promise<number | undefined> => {
  const text = await readFile(path, 'utf8').catch(() => '')
  return Number.parseInt(text, 10) || undefined
}

/**
 * The server processes of a cluster. A number alone proves nothing, since numbers are used again: they are known by
 * their working folder.
 */
export const processesOf = (dataDir: string): Promise<number[]> =>
  process.platform === 'linux' ? processesInFolder(dataDir) : postmastersByCommand(dataDir)

/** Every server process works in the cluster's folder. So may a shell of its owner, which is left in peace. */
const processesInFolder = async (dataDir: string): Promise<number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const ours = await Promise.all(
    pids.map(async (pid) => (await linkOf(pid, 'cwd')) === dataDir && postgresProgram.test(await linkOf(pid, 'exe'))),
  )
  return pids.filter((_, i) => ours[i]).map(Number)
}

/** Of a running program whose file went with an upgrade, the kernel says so. */
const postgresProgram = /\/postgres( \(deleted\))?$/

/** Empty for a zombie, and for the processes of other users, whose links cannot be read: neither is ours. */
const linkOf = (pid: string, name: 'cwd' | 'exe'): Promise<string> => readlink(`/proc/${pid}/${name}`).catch(() => '')

/** Without /proc only a postmaster shows its cluster, as an argument; its children end with it. */
export const postmastersByCommand = async (dataDir: string): Promise<number[]> => {
  const { stdout } = await promisify(execFile)('ps', ['-axww', '-o', 'pid=,command='])
  return stdout
    .split('\n')
    .filter((line) => line.includes(`/postgres -D ${dataDir} `))
    .map((line) => Number.parseInt(line, 10))
}
