import { createHash } from 'node:crypto'
import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fault } from '../../contract/faults.ts'
import { socketName } from './connection.ts'
import { giveTo, ownerOnDisk, type RunAs } from './runAs.ts'

/** `sun_path` less its final zero: 108 bytes on Linux (unix(7)), 104 on macOS and the BSDs. */
export const socketPathBytes = process.platform === 'linux' ? 107 : 103

/**
 * The folder of the socket: the cluster's own, which is closed to others. A socket's path is short by the kernel's
 * rule, so a home deep down gets a private folder in the runtime or temporary directory instead, named for the cluster
 * and its owner.
 * @throws `home_path_too_long` when none of them can be used.
 */
export const chooseSocketFolder = async (of: {
  dataDir: string
  runAs: RunAs
  env: NodeJS.ProcessEnv
}): Promise<string> => {
  const { dataDir, runAs, env } = of
  if (fits(dataDir)) return dataDir
  const name = `culm-${ownerOnDisk(runAs)}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`
  const parents = [env.XDG_RUNTIME_DIR, tmpdir(), '/tmp', '/var/tmp'].filter((parent) => parent !== undefined)
  for (const parent of runAs.kind === 'user' ? ['/tmp', '/var/tmp'] : parents) {
    const folder = join(parent, name)
    if (fits(folder) && (await madePrivate(folder, runAs))) return folder
  }
  throw fault(
    'home_path_too_long',
    `a socket in ${dataDir} would have a path of more than ${socketPathBytes} bytes, and there is no folder of our own for it in ${parents.join(', ')}: set CULM_HOME to a shorter path`,
    { dataDir },
  )
}

const fits = (folder: string): boolean => Buffer.byteLength(join(folder, socketName)) <= socketPathBytes

/**
 * Anybody can make a folder of this name in /tmp before us, or a link to one of his: only a real folder, ours, and
 * closed, will do.
 */
const madePrivate = async (folder: string, runAs: RunAs): Promise<boolean> => {
  try {
    await mkdir(folder, { mode: 0o700 })
    await giveTo(runAs, folder)
  } catch {
    // It is there already, or cannot be made: what stands there tells.
  }
  const found = await lstat(folder).catch(() => undefined)
  return found?.isDirectory() === true && found.uid === ownerOnDisk(runAs) && (found.mode & 0o077) === 0
}
