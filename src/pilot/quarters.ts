import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Client } from '../contract/client.ts'
import type { Runtime } from '../ports/runtime.ts'
import { BlobCache } from './blobCache.ts'
import { Bundles } from './bundles.ts'
import { Checkpoints } from './checkpoints.ts'
import { Environments } from './environments/environments.ts'
import { Failure } from './failure.ts'
import { type Guard, noGuard, type Share, userGuard, viewGuard } from './guard.ts'
import type { LogOutbox } from './logOutbox.ts'
import { Values } from './values.ts'
import { type As, removeFolder } from './workFolder.ts'

/** What keeps the payloads of one owner from those of another, and from this pilot; `main` finds out what the machine allows. */
export type Isolation = {
  /** The owner who runs this pilot: his payloads may reach his own files. */
  own: string | null
  /** Users of the system, by number, for the payloads of other owners: the one of owner u12 is `first + 12`. */
  users: { first: number; count: number } | null
  /** The program bubblewrap, when it works here. */
  bubblewrap: string | null
  /** Folders with credentials, such as the home of an installation: hidden from all payloads in a view of their own. */
  hidden: readonly string[]
  /** Further folders that are hidden from other owners than `own`, such as the home of the pilot's user. */
  private: readonly string[]
}

export const noIsolation: Isolation = { own: null, users: null, bubblewrap: null, hidden: [], private: [] }

export type QuartersOptions = {
  client: Client
  folder: string
  env: Record<string, string>
  nodeRunner: string
  pythonPath: string
  isolation: Isolation
  bundlesInUse: () => Set<string>
  /** What runs images here, those first that are preferred. */
  runtimes: readonly Runtime[]
  /** Where packages are installed; in `folder` when left out. Pilots of one machine may share it. */
  environments: string | undefined
  logs: LogOutbox
}

/** Where the payloads of one owner live, and how they are started: nothing in there is ever shared with another owner. */
export type Quarters = {
  as: As
  guard: Guard
  env: Record<string, string>
  /** In it are the working directories of jobs. */
  jobs: string
  /** In it are the files of secrets, in memory where the machine allows. */
  secrets: string
  bundles: Bundles
  checkpoints: Checkpoints
  values: Values
  environments: Environments
  nodeRunner: string
  /** Of Node, for payloads that name no interpreter. */
  node: string
  pythonPath: string
}

type Places = Record<'jobs' | 'blobs' | 'bundles' | 'secrets' | 'checkpoints' | 'environments', string>

/** `builder` may write where packages are made; `hostEnv` is that of the programs that start others in images. */
type Live = Pick<Quarters, 'as' | 'guard' | 'env' | 'nodeRunner' | 'pythonPath' | 'node'> & {
  builder: Guard
  home: string
  hostEnv: Record<string, string>
}

/** Where Linux keeps the state of programs of the system; only root gets here. */
const farFolder = '/var/lib/culm/pilots'

/** The quarters of all owners, made when their first job comes. */
export class AllQuarters {
  readonly #options: QuartersOptions
  readonly #known = new Map<string, Quarters>()
  #madeMemory: string | null = null

  constructor(options: QuartersOptions) {
    this.#options = options
  }

  of(ownerId: string): Quarters {
    const known = this.#known.get(ownerId) ?? this.#make(ownerId)
    this.#known.set(ownerId, known)
    return known
  }

  /** Removes what no job needs any more: what an earlier self left, and at the end what this one has. */
  async clear(): Promise<void> {
    const { folder, isolation } = this.#options
    for (const base of isolation.users ? [folder, farBase(folder)] : [folder]) {
      await clearJobs(join(base, 'jobs'))
      await rm(join(base, 'checkpoints'), { recursive: true, force: true })
    }
    rmSync(this.#memory, { recursive: true, force: true })
    rmSync(join(folder, 'pids'), { recursive: true, force: true })
    this.#madeMemory = null
    for (const { environments } of this.#known.values()) environments.close()
    this.#known.clear()
  }

  get #memory(): string {
    this.#madeMemory ??= memoryFolder(this.#options.folder)
    return this.#madeMemory
  }

  #make(ownerId: string): Quarters {
    const { own, users, bubblewrap } = this.#options.isolation
    if (users && ownerId !== own) return this.#ofAnotherUser(ownerId, userOf(ownerId, users))
    return this.#here(ownerId, bubblewrap)
  }

  /** As the user of the pilot, in a view of his own where that can be made. */
  #here(ownerId: string, bubblewrap: string | null): Quarters {
    const { folder, env, nodeRunner, pythonPath, isolation } = this.#options
    const places = this.#places(folder, ownerId, null)
    const isOwn = ownerId === isolation.own
    const hidden = [folder, this.#memory, ...isolation.hidden, ...(isOwn ? [] : isolation.private)]
    const home = join(folder, 'homes', ownerId)
    if (bubblewrap && !isOwn) makeFolder(home, null)
    const shown = [places.blobs, places.bundles, places.environments, nodeRunner, pythonPath]
    const view = (writable: readonly string[]) =>
      viewGuard({
        bubblewrap: bubblewrap!,
        hidden: outermost(hidden),
        read: [...shown, dirname(dirname(process.execPath))].filter((path) =>
          hidden.some((folder) => path.startsWith(`${folder}/`)),
        ),
        write: [places.jobs, places.secrets, ...(isOwn ? [] : [home]), ...writable],
      })
    const guard = bubblewrap ? view([]) : noGuard
    const builder = bubblewrap ? view([places.environments]) : noGuard
    const own: Record<string, string> = bubblewrap && !isOwn ? { HOME: home, TMPDIR: '/tmp' } : {}
    const files = { nodeRunner, pythonPath, node: process.execPath }
    const quarters = { as: null, guard, env: { ...env, ...own }, ...files }
    return { ...quarters, ...this.#parts(places, { ...quarters, builder, home, hostEnv: env }) }
  }

  /** As a user who has no other file on this machine. What he needs lies where he can go. */
  #ofAnotherUser(ownerId: string, as: NonNullable<As>): Quarters {
    const { folder, env, nodeRunner, pythonPath } = this.#options
    const base = isOpen(folder) ? folder : farBase(folder)
    mkdirSync(base, { recursive: true, mode: 0o711 })
    const places = this.#places(base, ownerId, as)
    const home = join(base, 'homes', ownerId)
    const scratch = join(base, 'tmp', ownerId)
    for (const path of [home, scratch]) makeFolder(path, as)
    const runtime = join(base, 'runtime')
    const files = {
      nodeRunner: reachable(nodeRunner, runtime),
      pythonPath: reachable(pythonPath, runtime),
      node: reachable(process.execPath, runtime),
    }
    const name = `culm-${ownerId}`
    const own = { HOME: home, TMPDIR: scratch, USER: name, LOGNAME: name }
    const guard = userGuard(as, places.jobs)
    const quarters = { as, guard, env: { ...env, ...own }, ...files }
    return { ...quarters, ...this.#parts(places, { ...quarters, builder: guard, home, hostEnv: quarters.env }) }
  }

  /** Passable for their owner and closed to others; what lies in them is made by the pilot, so that no payload can put anything in its place. */
  #places(base: string, ownerId: string, as: As) {
    const open = as === null ? 0o700 : 0o711
    const at = (parent: string, name: string) => {
      mkdirSync(join(parent, name), { recursive: true, mode: open })
      if (as !== null) chmodSync(join(parent, name), open)
      const path = join(parent, name, ownerId)
      mkdirSync(path, { recursive: true, mode: 0o700 })
      if (as !== null) {
        chownSync(path, process.getuid!(), as.gid)
        chmodSync(path, 0o710)
      }
      return path
    }
    if (as !== null) chmodSync(this.#memory, 0o711)
    const secrets = at(dirname(this.#memory), basename(this.#memory))
    const { environments = join(base, 'environments') } = this.#options
    return {
      ...{ jobs: at(base, 'jobs'), blobs: at(base, 'blobs'), bundles: at(base, 'bundles'), secrets },
      checkpoints: join(base, 'checkpoints', ownerId),
      environments: at(dirname(environments), basename(environments)),
    }
  }

  #parts(places: Places, live: Live) {
    const { client, bundlesInUse } = this.#options
    const { as } = live
    const blobs = new BlobCache({ folder: places.blobs, client, as })
    const bundles = new Bundles({ folder: places.bundles, blobs, inUse: bundlesInUse })
    const checkpoints = new Checkpoints({ folder: places.checkpoints, blobs, as })
    const values = new Values({ client, blobs, as })
    const { jobs, secrets } = places
    return { jobs, secrets, bundles, checkpoints, values, environments: this.#environmentsOf(places, live) }
  }

  #environmentsOf(places: Places, { as, guard, builder, env, home, hostEnv, nodeRunner, pythonPath, node }: Live) {
    const { folder, isolation, runtimes, logs } = this.#options
    makeFolder(home, as)
    const share: Share = {
      read: [places.bundles, places.blobs, places.environments, nodeRunner, pythonPath, node],
      write: [places.jobs, places.secrets, home],
      hidden: outermost([folder, this.#memory, ...isolation.hidden, ...isolation.private]),
      ownEnv: Object.fromEntries(Object.entries(hostEnv).filter(([name]) => name === 'PATH' || name === 'HOME')),
      pids: join(folder, 'pids'),
      user: as,
    }
    mkdirSync(share.pids, { recursive: true, mode: 0o700 })
    const own = { as, guard, builder, env, node, home, runtimes, logs, share }
    return new Environments({ folder: places.environments, ...own })
  }
}

/** Folders of jobs that were another user's are emptied by him, see `removeFolder`. */
const clearJobs = async (jobs: string): Promise<void> => {
  for (const owner of await readdir(jobs).catch(() => [])) {
    const folder = join(jobs, owner)
    const { gid, mode } = await stat(folder)
    const as = (mode & 0o070) === 0o010 ? { uid: gid, gid } : null
    for (const name of as ? await readdir(folder) : []) await removeFolder(join(folder, name), as)
  }
  await rm(jobs, { recursive: true, force: true, maxRetries: 3 }).catch(() => {}) // what stays is removed at the next start
}

const userOf = (ownerId: string, { first, count }: { first: number; count: number }): NonNullable<As> => {
  const number = Number(ownerId.replace(/^\D+/, ''))
  if (!(number < count))
    throw new Failure('site', 'NoUserLeft', `this pilot has no user of the system for ${ownerId}: it has ${count}`)
  return { uid: first + number, gid: first + number }
}

/** The same at every start, so that what an earlier self left can be found. */
const nameOf = (folder: string): string => createHash('sha256').update(folder).digest('hex').slice(0, 16)

const farBase = (folder: string): string => join(farFolder, nameOf(folder))

/** Magic number of tmpfs, from statfs(2). */
const tmpfs = 0x01021994

/**
 * A folder in memory, where what is removed leaves no trace on a disk; beside the working directories where there is none. Everybody may make folders in
 * /dev/shm: one that is there already is taken only if it is ours.
 */
const memoryFolder = (folder: string): string => {
  const path = join('/dev/shm', `culm-${nameOf(folder)}`)
  try {
    if (statfsSync('/dev/shm').type !== tmpfs) throw new Error('not in memory')
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const found = lstatSync(path)
    if (found.isDirectory() && found.uid === process.getuid?.()) return path
  } catch {
    // no such place here
  }
  return join(folder, 'secrets')
}

/** The folder that it lies in is always the pilot's: in one of theirs, others could put a link in its place before it is handed over. */
const makeFolder = (path: string, as: As): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 })
  if (as !== null) chmodSync(dirname(path), 0o711)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (as !== null) chownSync(path, as.uid, as.gid)
}

/** Whether everybody may pass through this folder and all above it. */
const isOpen = (path: string): boolean => {
  const passable = (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o001
  return passable !== 0 && (dirname(path) === path || isOpen(dirname(path)))
}

/** A file or folder that everybody can read: itself, or a copy. */
const reachable = (path: string, runtime: string): string => {
  if (isOpen(dirname(path)) && (statSync(path).mode & 0o004) !== 0) return path
  const { mtimeMs, size } = statSync(path)
  const folder = join(runtime, nameOf(`${path} ${mtimeMs} ${size}`))
  const copy = join(folder, basename(path))
  if (existsSync(copy)) return copy
  const half = `${folder}.${process.pid}`
  for (const made of [runtime, half]) mkdirSync(made, { recursive: true, mode: 0o755 })
  cpSync(path, join(half, basename(path)), { recursive: true })
  renameSync(half, folder)
  return copy
}

/** Without those that lie in another of them. */
const outermost = (folders: readonly string[]): string[] =>
  folders.filter((folder) => !folders.some((other) => folder.startsWith(`${other}/`)) && existsSync(folder))
