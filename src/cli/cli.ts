import type { Client } from '../contract/client.ts'
import { discoverServer, type Server } from '../sdk/discover.ts'
import { type Style, styleOf } from './look/style.ts'
import type { Output, World } from './world.ts'

/** Options that every command takes. */
export type GlobalOptions = { json?: boolean; quiet?: boolean; color?: boolean; server?: string; token?: string }

/** How long a command goes on trying while the server is away, s: a person waits. */
const retrySeconds = 3

/** What the commands of one invocation share: the options, the ways to speak, and the server. */
export class Cli {
  readonly world: World
  readonly #options: () => GlobalOptions
  #client: Promise<Client> | undefined

  constructor(world: World, options: () => GlobalOptions) {
    this.world = world
    this.#options = options
  }

  get options(): GlobalOptions {
    return this.#options()
  }

  get json(): boolean {
    return this.options.json === true
  }

  /** People get told on standard error what goes on. */
  get tells(): boolean {
    return !this.json && !this.options.quiet
  }

  /** How to write for the readers of standard output, or of another one. */
  style(output: Output = this.world.stdout): Style {
    const { json, color } = this.options
    return styleOf(output, { env: this.world.env, plain: json === true || color === false, now: this.world.clock() })
  }

  print(...lines: string[]): void {
    if (lines.length > 0) this.world.stdout.write(`${lines.join('\n')}\n`)
  }

  /** One JSON document on a line of its own. */
  printJson(document: unknown): void {
    this.world.stdout.write(`${JSON.stringify(document)}\n`)
  }

  /** A remark for people, beside the output. */
  note(line: string): void {
    if (this.tells) this.world.stderr.write(`${this.style(this.world.stderr).colors.dim(line)}\n`)
  }

  /**
   * The server that is meant: `--server`, else as every program finds it. The token of the environment goes with a server that was named here only when
   * the environment names no other server.
   */
  server(): Promise<Server> {
    const { server: url, token } = this.options
    const { env } = this.world
    if (!url) return discoverServer(token ? { ...env, CULM_TOKEN: token } : env)
    const meant = !env.CULM_SERVER || originOf(env.CULM_SERVER) === originOf(url)
    return discoverServer({ ...env, CULM_SERVER: url, CULM_TOKEN: token ?? (meant ? env.CULM_TOKEN : undefined) })
  }

  client(): Promise<Client> {
    this.#client ??= this.server().then((server) => this.clientOf(server))
    return this.#client
  }

  /** HTTP and schemas are most of the time that a command takes to start, and help needs none of them. */
  async clientOf(server: Server): Promise<Client> {
    const { makeClient } = await import('../contract/client.ts')
    return makeClient({ ...server, retrySeconds })
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.close()
  }
}

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : url)
