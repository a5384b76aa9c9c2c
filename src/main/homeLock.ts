import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fault } from '../contract/faults.ts'
import { sleep } from '../lib/clock.ts'
import { homeFault, isErrno } from './homeFault.ts'
import { findRunning, type ServerRecord } from './homeServer.ts'

/**
 * `mine`: this process alone may start what lives in the home, until it calls `release` or dies. `running`: attach to
 * that server.
 */
export type Claim = { kind: 'mine'; release(): Promise<void> } | { kind: 'running'; server: ServerRecord }

/**
 * Decides which of several starts on one home is the server. Of two at once one gets `mine`, and the other waits until
 * the first has written its server record, or has died: then it is its turn.
 * @throws `home_in_use` when the holder has neither answered nor ended after `waitMs` (60 s by default, enough for a
 * recovery).
 */
export const claimHome = async (
  home: string,
  { waitMs = 60_000, signal }: { waitMs?: number; signal?: AbortSignal } = {},
): Promise<Claim> => {
  const deadline = performance.now() + waitMs
  for (;;) {
    signal?.throwIfAborted()
    const running = await findRunning(home)
    if (running) return { kind: 'running', server: running }
    const release = await lockHome(home)
    if (release) return { kind: 'mine', release }
    if (performance.now() > deadline) throw inUse(home, waitMs)
    await sleep(50, signal)
  }
}

const inUse = (home: string, waitMs: number) =>
  fault(
    'home_in_use',
    `another process holds ${home}, and no server of it answered within ${Math.round(waitMs / 1000)} s: stop that process, or set CULM_HOME to another folder`,
    { home },
  )

/**
 * The lock itself is one that the kernel takes back when its holder dies, however it dies, so there is no stale lock to
 * judge. Undefined when another process has it.
 */
export const lockHome = async (home: string): Promise<Release | undefined> => {
  try {
    await mkdir(dirname(lockPath(home)), { recursive: true, mode: 0o700 })
    return process.platform === 'linux' ? await bindName(await lockName(home)) : await lockFile(lockPath(home))
  } catch (error) {
    throw homeFault(home, error)
  }
}

type Release = () => Promise<void>

const lockPath = (home: string): string => join(home, 'run', 'lock')

/** Linux: a socket in the abstract namespace (unix(7)), a name that belongs to one process and is gone with it. */
const bindName = (name: string): Promise<Release | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer((visitor) => visitor.destroy())
    server.once('error', (error) => (isErrno(error, 'EADDRINUSE') ? resolve(undefined) : reject(error)))
    server.listen(`\0${name}`, () => {
      server.unref()
      resolve(() => new Promise((released) => server.close(() => released())))
    })
  })

/**
 * The whole of `sun_path` but its leading zero byte. Node 20 binds a shorter name padded with zeros and Node 24 as it
 * is (seen in /proc/net/unix), which would be two names, and two holders of one home.
 */
const abstractNameBytes = 107

/**
 * Every user of a machine can bind abstract names, so ours has a random part that only readers of the home know;
 * and the folder's identity, since a copy of a home is another home.
 */
const lockName = async (home: string): Promise<string> => {
  const { dev, ino } = await stat(home)
  const secret = await lockSecret(lockPath(home))
  const digest = createHash('sha256').update(`${secret} ${dev} ${ino}`).digest('hex')
  return `culm-${digest}`.padEnd(abstractNameBytes, '-')
}

/** Written beside and then linked, so that of two first starts both read the same, whole secret. */
const lockSecret = async (path: string): Promise<string> => {
  const existing = await readFile(path, 'utf8').catch(() => '')
  if (existing) return existing
  const mine = randomBytes(16).toString('hex')
  const temporary = `${path}.${mine}.tmp`
  try {
    await writeFile(temporary, mine, { mode: 0o600, flag: 'wx' })
    await link(temporary, path)
    return mine
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return readFile(path, 'utf8')
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
}

/** BSD and macOS: open(2) takes an flock on the way (O_EXLOCK = 0x20, in their fcntl.h; Node has no name for it). */
const lockFile = async (path: string): Promise<Release | undefined> => {
  try {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | 0x20, 0o600)
    return () => file.close()
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) return undefined
    throw error
  }
}
