import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { eventually } from './eventually.ts'

export type ProcessOptions = {
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  logFolder: string
  /** What it prints when it is there, if anything. */
  says?: string
  /** It ended, and nobody of us had ended it. */
  onOwnEnd: (how: string) => void
}

/** One process of the product: it can be started again and again, and everything it says is kept in one file. */
export class Process {
  readonly name: string
  readonly #options: ProcessOptions
  #child: ChildProcess | null = null
  #starting: Promise<void> | null = null
  #ours = false
  starts = 0

  constructor(options: ProcessOptions) {
    this.name = options.name
    this.#options = options
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get logFile(): string {
    return path.join(this.#options.logFolder, `${this.name}.log`)
  }

  /** Resolves when it says that it is there. A fault and the supervisor may want it at the same time, or one after the other: it runs once. */
  start(more: NodeJS.ProcessEnv = {}): Promise<void> {
    if (this.running && !this.#starting) return Promise.resolve()
    this.#starting ??= this.#start(more).finally(() => {
      this.#starting = null
    })
    return this.#starting
  }

  async #start(more: NodeJS.ProcessEnv): Promise<void> {
    const { command, args, env, says } = this.#options
    this.starts++
    this.#ours = false
    const log = openSync(this.logFile, 'a')
    const before = this.#said().length
    const child = spawn(command, args, { env: { ...env, ...more }, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child = child
    child.once('exit', (code, signal) => {
      if (!this.#ours && this.#child === child) this.#options.onOwnEnd(signal ?? `exit code ${code}`)
    })
    if (says)
      await eventually(
        async () => !this.running || this.#said().slice(before).includes(says),
        `${this.name} says "${says}"`,
        120_000,
      )
  }

  #said(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  /** Resolves when it has ended, and a start that this broke off is over: the next start is a new one. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || !this.running) return
    this.#ours = true
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    // Who began it hears how it went.
    await this.#starting?.catch(() => undefined)
  }

  /** Asks it to end, and makes it when it does not; tells whether it ended by itself. */
  async end(withinMs: number): Promise<boolean> {
    const child = this.#child
    if (!child || !this.running) return true
    this.#ours = true
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    let orderly = true
    const timer = setTimeout(() => {
      orderly = false
      child.kill('SIGKILL')
    }, withinMs)
    await ended
    clearTimeout(timer)
    return orderly
  }

  stop(): void {
    this.#child?.kill('SIGSTOP')
  }

  continue(): void {
    this.#child?.kill('SIGCONT')
  }
}
