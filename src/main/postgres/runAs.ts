import { execFile } from 'node:child_process'
import { chown, readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import { fault } from '../../contract/faults.ts'
import { messageOf } from '../../lib/fault.ts'

/**
 * As whom PostgreSQL runs, since it refuses to run as root. `self`: as this process's user. `namespace`: as this
 * process's user, who has another number inside a user namespace; its files on disk stay ours, also below a closed
 * /root. `user`: as another user of the system, who owns the cluster then.
 */
export type RunAs =
  | { kind: 'self' }
  | { kind: 'namespace'; uid: number; gid: number }
  | { kind: 'user'; uid: number; gid: number }

/**
 * An ordinary user runs it as himself. Root takes a user namespace where the kernel allows one (many containers do
 * not), else `postgres` or `nobody`. So does a user without a line in the passwd database, whom initdb refuses:
 * containers run under such numbers. A cluster that exists stays with its owner.
 */
export const chooseRunAs = async (dataDir: string): Promise<RunAs> => {
  const root = process.geteuid?.() === 0
  const owner = await stat(dataDir).catch(() => undefined)
  if (root && owner && owner.uid !== 0) return { kind: 'user', uid: owner.uid, gid: owner.gid }
  if (!root && hasPasswdLine()) return { kind: 'self' }

  const users = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''))
  const mapped = users.find(named('nobody')) ?? users[0]
  if (mapped && (await canMakeNamespace(mapped))) return { kind: 'namespace', uid: mapped.uid, gid: mapped.gid }

  const other = users.find(named('postgres')) ?? users.find(named('nobody'))
  if (root && other && !owner) return { kind: 'user', uid: other.uid, gid: other.gid }
  throw fault('postgres_failed', whyNobody(root, owner !== undefined), { dataDir })
}

/**
 * How to run a program as `runAs`. Without `--fork`, unshare becomes the program, so the process id stays that of the
 * child.
 */
export const commandAs = (
  runAs: RunAs,
  program: string,
  args: string[],
): { file: string; args: string[]; uid?: number; gid?: number } => {
  if (runAs.kind === 'self') return { file: program, args }
  if (runAs.kind === 'namespace') return { file: 'unshare', args: [...namespaceArgs(runAs), program, ...args] }
  return { file: program, args, uid: runAs.uid, gid: runAs.gid }
}

/**
 * The fault for a program that the system could not even start: no permission, or, on Alpine and NixOS, no glibc where
 * it looks for it.
 */
export const cannotRun = (file: string, error: unknown): Error =>
  fault(
    'postgres_failed',
    `${file} cannot be run here (${messageOf(error)}): it needs glibc and a disk that allows programs; else set DATABASE_URL to a PostgreSQL of your own`,
    { file },
    error,
  )

/** Who owns, on disk, what PostgreSQL writes. */
export const ownerOnDisk = (runAs: RunAs): number | undefined =>
  runAs.kind === 'user' ? runAs.uid : process.geteuid?.()

/** Hands over what this process made for PostgreSQL to write in. */
export const giveTo = async (runAs: RunAs, path: string): Promise<void> => {
  if (runAs.kind === 'user') await chown(path, runAs.uid, runAs.gid)
}

/**
 * Whether every folder on the way to `folder` lets him through. Only another user can be kept out. The kernel is asked,
 * by going there.
 */
export const canReach = (runAs: RunAs, folder: string): Promise<boolean> =>
  runAs.kind === 'user' ? succeeds('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], runAs) : Promise.resolve(true)

/**
 * The environment of PostgreSQL's programs: none of ours, since PGDATA, LD_LIBRARY_PATH and locales would change what
 * they do.
 */
export const plainEnv = (): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, LC_ALL: 'C' })

export type PasswdLine = { name: string; uid: number; gid: number }

/** The users in the text of /etc/passwd, without root and its doubles. */
export const parsePasswd = (text: string): PasswdLine[] =>
  text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([name, , uid, gid]) => name && /^\d+$/.test(uid ?? '') && /^\d+$/.test(gid ?? '') && Number(uid) > 0)
    .map(([name, , uid, gid]) => ({ name: name as string, uid: Number(uid), gid: Number(gid) }))

const named = (name: string) => (user: PasswdLine) => user.name === name

/** What initdb asks too, through the same call of the C library; so users of LDAP and the like are found. */
const hasPasswdLine = (): boolean => {
  try {
    return userInfo().uid >= 0
  } catch {
    return false
  }
}

const namespaceArgs = ({ uid, gid }: { uid: number; gid: number }): string[] => [
  '--user',
  `--map-user=${uid}`,
  `--map-group=${gid}`,
  '--',
]

const canMakeNamespace = (mapped: PasswdLine): Promise<boolean> =>
  succeeds('unshare', [...namespaceArgs(mapped), 'true'])

const succeeds = async (file: string, args: string[], as: { uid?: number; gid?: number } = {}): Promise<boolean> => {
  try {
    await promisify(execFile)(file, args, { uid: as.uid, gid: as.gid, cwd: '/', env: plainEnv(), timeout: 5_000 })
    return true
  } catch {
    return false
  }
}

const whyNobody = (root: boolean, exists: boolean): string => {
  if (!root)
    return 'PostgreSQL cannot run as a user without a passwd line, and user namespaces are not allowed here: give this user a name, or set DATABASE_URL'
  if (exists)
    return 'root owns the cluster, PostgreSQL refuses to run as root, and user namespaces are not allowed (or unshare is missing) any more: allow them, or run Culm as an ordinary user with another CULM_HOME'
  return 'PostgreSQL refuses to run as root, user namespaces are not allowed (or unshare is missing), and there is no user postgres or nobody: run Culm as an ordinary user, or set DATABASE_URL'
}
