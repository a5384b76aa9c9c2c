import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Isolation } from '../pilot/index.ts'

/**
 * Users of the system for payloads of other owners. Neither systemd nor containers nor distributions hand out these numbers (systemd, "Users, groups,
 * UIDs and GIDs"); the second range is for containers that know no number above 65535.
 */
const ranges = [
  { first: 1_900_000_000, count: 100_000_000 },
  { first: 62_000, count: 3000 },
]

/** What an isolation comes to, for people: `lacks` is what it should have and has not. */
export type Chosen = { isolation: Isolation; says: string; lacks: string | null }

/**
 * What keeps payloads apart on this machine. Root starts those of other owners as users of their own; an ordinary user gives every payload a view of the
 * machine by bubblewrap. `own`: the owner who runs the pilot, whose payloads may reach his files.
 */
export const chooseIsolation = async ({
  home,
  env,
  own,
  wanted = true,
}: {
  home: string
  env: NodeJS.ProcessEnv
  own: string | null
  wanted?: boolean
}): Promise<Chosen> => {
  const isRoot = process.geteuid?.() === 0
  const [users, bubblewrap] = await Promise.all([
    isRoot && wanted ? workingRange() : null,
    wanted ? workingBubblewrap(env) : null,
  ])
  const ownHome = env.HOME || homedir()
  const isolation = {
    ...{ own, users, bubblewrap, hidden: [home] },
    private: [ownHome, '/tmp', '/var/tmp', `/run/user/${process.geteuid?.()}`],
  }
  const who = isRoot ? 'root' : 'the user of the pilot'
  const others = users
    ? `payloads of other owners run as users of their own (from ${users.first} on)`
    : bubblewrap
      ? `payloads of other owners run as ${who}, each in a view of the machine without the files of others`
      : `payloads of all owners run as ${who}: they can read each other's files, and ${home}`
  const ours = bubblewrap
    ? `payloads of ${who} do not see ${home}`
    : `payloads of ${who} can read ${home} and the tokens in it`
  const lacks = bubblewrap
    ? null
    : `${users || !isRoot ? ours : others}; with bubblewrap installed and allowed they could not`
  return { isolation, says: `${others}; ${ours}`, lacks: users || bubblewrap ? lacks : others }
}

const workingRange = async (): Promise<Isolation['users']> => {
  for (const range of ranges) if (await canBecome(range.first + range.count - 1)) return range
  return null
}

/** A number that the user namespace of this process does not know is refused. */
const canBecome = async (uid: number): Promise<boolean> => {
  try {
    const child = spawn('true', { uid, gid: uid, cwd: '/', stdio: 'ignore' })
    return (await once(child, 'exit'))[0] === 0
  } catch {
    return false
  }
}

/** It may be installed and yet forbidden, as many containers do. */
const workingBubblewrap = async (env: NodeJS.ProcessEnv): Promise<string | null> => {
  const args = ['--dev-bind', '/', '/', '--unshare-pid', '--proc', '/proc', '--die-with-parent', '--', 'true']
  try {
    await promisify(execFile)('bwrap', args, { env: { PATH: env.PATH }, cwd: '/', timeout: 5000 })
    return 'bwrap'
  } catch {
    return null
  }
}

/** Who owns an installation is said in a file of its home, for the pilot that serves him there. */
const ownerFile = (home: string): string => join(home, 'run', 'owner')

export const writeOwner = (home: string, owner: string): Promise<void> => writeFile(ownerFile(home), `${owner}\n`)

export const readOwner = async (home: string): Promise<string | null> => {
  const owner = (await readFile(ownerFile(home), 'utf8').catch(() => '')).trim()
  return /^u\d+$/.test(owner) ? owner : null
}
