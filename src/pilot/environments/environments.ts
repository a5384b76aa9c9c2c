import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Environment } from '../../contract/environments.ts'
import type { ClaimedTask } from '../../contract/pilots.ts'
import { sha256 } from '../../lib/digest.ts'
import type { Runtime } from '../../ports/runtime.ts'
import type { Attempt } from '../attempt.ts'
import { Child, readInto } from '../child.ts'
import { folderMark } from '../environment.ts'
import { Failure, GivenBack } from '../failure.ts'
import { type Guard, imageGuard, lockedGuard, noGuard, type Share, userGuard } from '../guard.ts'
import type { LogOutbox } from '../logOutbox.ts'
import { unlessStopped } from '../unlessStopped.ts'
import type { As } from '../workFolder.ts'
import { activationOf, layOut, makeCommand, type Packages, prefixOf, pythonOf } from './packages.ts'
import { runtimeFor } from './runtimeFor.ts'
import { inShell, setUpFailed } from './shell.ts'
import { imageVariables, type Surroundings, surroundingsOf } from './surroundings.ts'

/** Packages are made within this time or not at all, ms. */
const makingMs = 3_600_000

/** What has failed is not tried again within this time, ms: for those that were claimed meanwhile it would fail again. */
const failedMs = 5000

/** More environments than this of one owner: those go that were not used for longest, but none that was used lately, ms. */
const maxKept = 20
const latelyMs = 86_400_000

/** How often it is noted that packages are in use, ms. */
const noteMs = 3_600_000

type Ready = { surroundings: Surroundings; packages: string | undefined; notedMs: number }

export type EnvironmentsOptions = {
  /** Where packages are made; pilots of one machine may share it. */
  folder: string
  as: As
  /** How payloads are started without an image, and who makes packages. */
  guard: Guard
  builder: Guard
  env: Record<string, string>
  node: string
  /** Payloads in images live here. */
  home: string
  share: Share
  runtimes: readonly Runtime[]
  logs: LogOutbox
}

/** The environments of one owner: made when a first job wants them, and kept. What many jobs want at once is made once, while they wait. */
export class Environments {
  readonly #options: EnvironmentsOptions
  readonly #digests = new WeakMap<ClaimedTask, string>()
  readonly #ready = new Map<string, Ready>()
  readonly #coming = new Map<string, { by: Attempt; made: Promise<Ready> }>()
  readonly #failed = new Map<string, { failure: unknown; atMs: number }>()
  readonly #making = new Set<Child>()

  constructor(options: EnvironmentsOptions) {
    this.#options = options
  }

  /** Where a task runs, if that was made before. */
  ready(task: ClaimedTask): Surroundings | undefined {
    const found = this.#ready.get(this.#digestOf(task))
    if (found?.packages !== undefined && performance.now() - found.notedMs > noteMs) noteUse(found.packages, found)
    return found?.surroundings
  }

  /**
   * Where a task runs, made if need be: the first job that wants it sees how that goes, and fails when it fails. Jobs that waited for it are given back then: their task
   * is stopped by the failure of the first.
   */
  async prepare(attempt: Attempt): Promise<Surroundings> {
    const digest = this.#digestOf(attempt.task)
    const failed = this.#failed.get(digest)
    if (failed && performance.now() - failed.atMs < failedMs) throw failed.failure
    const coming = this.#coming.get(digest)
    if (!coming) return (await unlessStopped(attempt, this.#begin(digest, attempt))).surroundings
    say(attempt, `waits for the environment that ${coming.by.job.jobId} makes`)
    const made = coming.made.catch(() => {
      throw new GivenBack('the environment could not be made')
    })
    return (await unlessStopped(attempt, made)).surroundings
  }

  /** Ends what is being made. */
  close(): void {
    for (const child of this.#making) child.end(0)
  }

  #digestOf(task: ClaimedTask): string {
    const known = this.#digests.get(task)
    if (known !== undefined) return known
    const { payload, environment } = task
    const interpreter = payload.kind === 'function' ? payload.interpreter : undefined
    const said = Object.entries(environment!).sort(([a], [b]) => (a < b ? -1 : 1))
    const digest = sha256(JSON.stringify([said, interpreter ?? null, payload.kind]))
    this.#digests.set(task, digest)
    return digest
  }

  #begin(digest: string, attempt: Attempt): Promise<Ready> {
    const made = this.#make(digest, attempt)
    this.#coming.set(digest, { by: attempt, made })
    made
      .then((ready) => this.#ready.set(digest, ready))
      .catch((failure) => this.#failed.set(digest, { failure, atMs: performance.now() }))
      .finally(() => this.#coming.delete(digest))
    return made
  }

  async #make(digest: string, attempt: Attempt): Promise<Ready> {
    const environment = attempt.task.environment!
    const { payload } = attempt.task
    const interpreter = payload.kind === 'function' ? payload.interpreter : undefined
    const { as, builder, guard, env, node, home } = this.#options
    const image = environment.image ? await this.#imageOf(environment.image, attempt) : null
    const start = image ? 'python3' : (interpreter ?? 'python3')
    const ownEnv = image ? imageVariables(env, [folderMark]) : env
    const variables: Record<string, string> = image ? { ...ownEnv, HOME: home, TMPDIR: '/tmp' } : env
    const packages = layOut(environment, join(this.#options.folder, packagesKey(environment, start)), as)
    if (packages) {
      const maker = image ? image.guard([packages.folder], false) : builder
      await this.#makePackages(packages, { environment, python: start, guard: maker, env: variables, attempt })
    }
    const prefix = packages ? prefixOf(packages) : undefined
    const python = (prefix && pythonOf(prefix)) ?? start
    const surroundings = surroundingsOf(environment, {
      digest,
      guard: image ? image.guard([], payload.kind === 'function') : guard,
      env: environment.initEnv ? { ...variables, ...bindings(this.#options.share) } : variables,
      python,
      node: image ? '' : node,
      activation: packages ? activationOf(packages, prefix!) : '',
    })
    return { surroundings, packages: packages?.folder, notedMs: performance.now() }
  }

  /** Brings the image here; gives how programs start in it, with further folders that they may write. */
  async #imageOf(image: string, attempt: Attempt) {
    const { runtimes, as, share, env } = this.#options
    const runtime = runtimeFor(runtimes, image, as === null)
    const fetch = runtime.fetch(image, env)
    if (fetch) {
      say(attempt, `brings the image ${image} by ${runtime.name}`)
      const guard = as ? userGuard(as, this.#options.folder) : noGuard
      const { ok, lastLines } = await this.#run([fetch.program, ...fetch.args], { guard, env: fetch.env, attempt })
      if (!ok) throw notMade(`the image ${image} could not be brought by ${runtime.name}`, lastLines)
    }
    return {
      guard: (write: readonly string[], channel: boolean): Guard =>
        imageGuard({ runtime, image, channel }, { ...share, write: [...share.write, ...write] }),
    }
  }

  async #makePackages(
    packages: Packages,
    {
      environment: { initEnv },
      python,
      guard,
      env,
      attempt,
    }: { environment: Environment; python: string; guard: Guard; env: Record<string, string>; attempt: Attempt },
  ): Promise<void> {
    await this.#tidy()
    const command = inShell(makeCommand(packages, python), { initEnv })
    const locked = mayLock(this.#options.env) ? lockedGuard(guard, join(packages.folder, 'lock')) : guard
    const { ok, lastLines, code } = await this.#run(command, { guard: locked, env, attempt })
    noteUse(packages.folder)
    if (ok) return
    const what = setUpFailed(code, lastLines)
      ? 'init_env failed'
      : `the packages (${packages.kind}) could not be installed`
    throw notMade(what, lastLines)
  }

  /** Runs a command to its end, heard by the job that wants it. */
  async #run(
    [program, ...args]: readonly string[],
    { guard, env, attempt }: { guard: Guard; env: Record<string, string>; attempt: Attempt },
  ): Promise<{ ok: boolean; lastLines: string; code: number | null }> {
    const { folder, logs } = this.#options
    const child = new Child(program!, args, { cwd: folder, env, guard })
    this.#making.add(child)
    const timer = setTimeout(() => child.end(0), makingMs)
    const heard = (chunk: Buffer) => attempt.output.write('stderr', chunk)
    if (child.process)
      for (const stream of [child.process.stdout!, child.process.stderr!]) readInto(stream, heard, logs)
    const exit = await child.exited
    clearTimeout(timer)
    this.#making.delete(child)
    const lastLines = exit.started ? attempt.output.lastLines() : exit.error.message
    return { ok: exit.started && exit.code === 0, lastLines, code: exit.started ? exit.code : null }
  }

  /** Packages that nobody uses any more, when there are too many. */
  async #tidy(): Promise<void> {
    const { folder } = this.#options
    const inUse = new Set([...this.#ready.values()].map(({ packages }) => packages))
    const kept = readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((path) => !inUse.has(path))
      .map((path) => ({ path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => a.at - b.at)
    for (const { path, at } of kept.slice(0, Math.max(0, kept.length - maxKept)))
      if (Date.now() - at > latelyMs) await rm(path, { recursive: true, force: true })
  }
}

const noteUse = (folder: string, noted: { notedMs: number } = { notedMs: 0 }): void => {
  noted.notedMs = performance.now()
  utimesSync(folder, new Date(), new Date())
}

/** Packages are the same for who has the same lock file, for the same Python. What is run before may change which one that is. */
const packagesKey = ({ requirements, conda, initEnv, image }: Environment, python: string): string =>
  sha256(JSON.stringify([requirements ?? null, conda ?? null, initEnv ?? null, image ?? null, python])).slice(0, 32)

const notMade = (what: string, lastLines: string): Failure =>
  new Failure(
    'environment',
    'EnvironmentFailed',
    `${what}: mend it, or name a queue where it works; the log of this job has all that was said. The last of it:\n${lastLines}`,
  )

const say = ({ output }: Attempt, words: string): void => output.write('stderr', Buffer.from(`[culm] ${words}\n`))

/** Container programs that a last line of initEnv starts show these to the payload, as the runtimes do. */
const bindings = ({ read, write }: Share): Record<string, string> => {
  const paths = [...read, ...write].join(',')
  return { APPTAINER_BIND: paths, SINGULARITY_BIND: paths }
}

/** Linux has it; elsewhere pilots had better not share a folder. */
const mayLock = ({ PATH = '' }: Record<string, string>): boolean =>
  PATH.split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, 'flock')))
