import { join } from 'node:path'
import type { Log } from '../lib/log.ts'
import { deviceVariables } from './devices.ts'
import { pythonBoot } from './environments/pythonBoot.ts'
import type { Surroundings } from './environments/surroundings.ts'
import type { LogOutbox } from './logOutbox.ts'
import type { Quarters } from './quarters.ts'
import { Runner } from './runner.ts'
import { SecretFiles, type TaskSecrets } from './taskSecrets.ts'

/** What makes two jobs fit for the same runner. Never shared between owners: what one leaves in memory or in modules is not for another. */
export type RunnerKind = {
  ownerId: string
  bundle: string
  language: 'node' | 'python'
  interpreter: string | undefined
  secrets: TaskSecrets | null
  /** Digest of its environment; null when it has none. */
  environment: string | null
  /** Its GPUs: what it has loaded lies on them. */
  devices: readonly string[] | null
}

export type RunnerPoolOptions = {
  serverUrl: string
  /** Of this pilot. */
  version: string
  idleSeconds: number
  /** So many idle runners at most. */
  maxIdle: number
  logs: LogOutbox
  log: Log
}

/** A process that has secrets in its memory, or memory of a GPU, is not kept for longer than between jobs that follow each other, s. */
const shortIdleSeconds = 10

type Idle = { kind: string; devices: RunnerKind['devices']; runner: Runner; timer: NodeJS.Timeout }

/** Keeps runners warm between jobs: the ones used last are taken first, and the one used longest ago goes when there are too many. */
export class RunnerPool {
  readonly #options: RunnerPoolOptions
  /** All that live, with their bundles. */
  readonly #bundles = new Map<Runner, string>()
  #idle: Idle[] = []
  #count = 0

  constructor(options: RunnerPoolOptions) {
    this.#options = options
  }

  /** A runner of this kind: a warm one, or a new one that takes its first job as soon as it is up. `prepared`: what that finds in its folder. */
  take(
    kind: RunnerKind,
    quarters: Quarters,
    bundleFolder: string,
    surroundings: Surroundings | null,
    prepared?: string,
  ): Runner {
    const text = textOf(kind)
    const warm = this.#idle.findLast((idle) => idle.kind === text && idle.runner.usable)
    if (!warm) {
      this.clear(kind.devices)
      return this.#start(kind, quarters, bundleFolder, surroundings, prepared)
    }
    this.#forget(warm.runner)
    return warm.runner
  }

  /** Takes a runner back after its job. `keep` = false: it is not to be trusted with another. */
  giveBack(kind: RunnerKind, runner: Runner, keep: boolean): void {
    if (!runner.usable) return
    if (!keep) {
      void runner.dismiss()
      return
    }
    runner.tidy()
    const { idleSeconds: usual } = this.#options
    const idleSeconds = kind.secrets || kind.devices?.length ? Math.min(shortIdleSeconds, usual) : usual
    const timer = setTimeout(() => this.#evict(runner), idleSeconds * 1000).unref()
    this.#idle.push({ kind: textOf(kind), devices: kind.devices, runner, timer })
    if (this.#idle.length > this.#options.maxIdle) this.#evict(this.#idle[0]!.runner)
  }

  /** Lets those go that do nothing and have memory of one of these devices. */
  clear(devices: RunnerKind['devices']): void {
    if (!devices?.length) return
    const inTheWay = this.#idle.filter((idle) => idle.devices?.some((name) => devices.includes(name)))
    for (const { runner } of inTheWay) this.#evict(runner)
  }

  /** Bundles that some runner may still read from. */
  bundlesInUse(): Set<string> {
    return new Set(this.#bundles.values())
  }

  /** Ends all runners; what still runs is killed. */
  async close(): Promise<void> {
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer)
    await Promise.all([...this.#bundles.keys()].map((runner) => runner.dismiss()))
  }

  #start(
    kind: RunnerKind,
    quarters: Quarters,
    bundleFolder: string,
    surroundings: Surroundings | null,
    prepared: string | undefined,
  ): Runner {
    const { serverUrl, version, logs, log } = this.#options
    const { as } = quarters
    const { guard, env: ownEnv } = surroundings ?? quarters
    const { program, args, added } = surroundings
      ? commandIn(surroundings, kind, quarters, version)
      : commandOf(kind, quarters)
    const name = `r${++this.#count}`
    const secrets = kind.secrets && new SecretFiles(join(quarters.secrets, name), kind.secrets, as)
    const env = { ...ownEnv, ...added, ...deviceVariables(kind.devices), ...secrets?.env }
    const hello = { bundleFolder, serverUrl }
    const startsIn = surroundings?.endsWithJob ? { prepared } : undefined
    const own = { program, args, work: join(quarters.jobs, name), env, guard, as, startsIn }
    const runner = new Runner({ ...own, secrets, hello, logs })
    log.debug({ pid: runner.pid, program, bundle: kind.bundle, ownerId: kind.ownerId }, 'a runner starts')
    this.#bundles.set(runner, kind.bundle)
    void runner.exited().then(() => {
      this.#bundles.delete(runner)
      this.#forget(runner)
    })
    return runner
  }

  #evict(runner: Runner): void {
    this.#forget(runner)
    void runner.dismiss()
  }

  #forget(runner: Runner): void {
    for (const idle of this.#idle) if (idle.runner === runner) clearTimeout(idle.timer)
    this.#idle = this.#idle.filter((idle) => idle.runner !== runner)
  }
}

const commandOf = (
  { language, interpreter }: RunnerKind,
  { node, nodeRunner, pythonPath }: Quarters,
): { program: string; args: string[]; added: Record<string, string> } =>
  language === 'node'
    ? { program: interpreter ?? node, args: [nodeRunner], added: {} }
    : { program: interpreter ?? 'python3', args: ['-m', 'culm._runner'], added: { PYTHONPATH: pythonPath } }

/** In an image the node is its own, if it has one; this machine's may lack there what it needs. */
const commandIn = (
  { around, python, node }: Surroundings,
  { language }: RunnerKind,
  { nodeRunner, pythonPath, node: ours }: Quarters,
  version: string,
): { program: string; args: string[]; added: Record<string, string> } => {
  const found = ['sh', '-c', 'exec "$(command -v node || echo "$0")" "$@"', ours]
  const command =
    language === 'node'
      ? [...(node === '' ? found : [node]), nodeRunner]
      : [python, '-c', pythonBoot, pythonPath, version]
  const [program, ...args] = around(command)
  return { program: program!, args, added: language === 'node' ? {} : { PYTHONPATH: pythonPath } }
}

const textOf = ({ ownerId, bundle, language, interpreter, secrets, environment, devices }: RunnerKind): string =>
  JSON.stringify([ownerId, bundle, language, interpreter ?? null, secrets?.digest ?? null, environment, devices])
