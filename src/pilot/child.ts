import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { sleep } from '../lib/clock.ts'
import type { Guard, Launch } from './guard.ts'
import type { LogOutbox } from './logOutbox.ts'
import { isDeafTo, killFamily, pidIn, readProcess, signalGroup } from './processTable.ts'

export type Exit =
  | { started: true; code: number | null; signal: NodeJS.Signals | null }
  | { started: false; error: NodeJS.ErrnoException }

/** How long to read on after a process has ended, ms: someone it left behind may hold its streams open. */
const lastWordsMs = 1000

/**
 * A process that leads a session and process group of its own, so that all that it starts can be measured and ended with it. What it leaves in its
 * group ends with it.
 */
export class Child {
  readonly process: ChildProcess | null
  /** Resolves when it has ended and its output was read. Never rejects. */
  readonly exited: Promise<Exit>
  /** A file with the number of its first process, when that is no child of the one that was started. */
  readonly apart: string | undefined
  #running = true
  #ending: NodeJS.Timeout | undefined

  constructor(
    program: string,
    args: readonly string[],
    { cwd, env, guard, channel = false }: { cwd: string; env: Record<string, string>; guard: Guard; channel?: boolean },
  ) {
    const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'pipe', ...(channel ? ['pipe' as const] : [])]
    try {
      const launch = guard.launch(program, args, cwd, env)
      this.apart = launch.apart
      this.process = started(launch, { env: launch.env ?? env, stdio, detached: true })
      this.exited = this.#watch(this.process, guard)
    } catch (error) {
      // An argument with a NUL, a list of arguments longer than the system takes, or no such program.
      this.process = null
      this.#running = false
      this.exited = Promise.resolve({ started: false, error: error as NodeJS.ErrnoException })
    }
  }

  get pid(): number | undefined {
    return this.process?.pid
  }

  get running(): boolean {
    return this.#running
  }

  /** Asks its group to end, and kills its whole family after `graceMs`; at once when that is 0. */
  end(graceMs: number): void {
    if (!this.#running || this.pid === undefined) return
    clearTimeout(this.#ending)
    const first = this.#apart()
    if (graceMs === 0) {
      killFamily(this.pid)
      if (first !== undefined) killFamily(first)
      return
    }
    if (first === undefined) signalGroup(this.pid, 'SIGTERM')
    else signalGroup(first, isDeafTo(first, 'SIGTERM') ? 'SIGKILL' : 'SIGTERM')
    this.#ending = setTimeout(() => this.end(0), graceMs)
  }

  #apart(): number | undefined {
    return this.apart === undefined ? undefined : pidIn(this.apart)
  }

  async #watch(child: ChildProcess, guard: Guard): Promise<Exit> {
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const exit = await new Promise<Exit>((resolve) => {
      child.once('error', (error) => child.pid === undefined && resolve({ started: false, error }))
      child.once('exit', (code, signal) => resolve({ started: true, ...guard.ending({ code, signal }) }))
    })
    this.#running = false
    clearTimeout(this.#ending)
    if (!exit.started) return exit
    signalGroup(child.pid!, 'SIGKILL')
    const first = this.#apart()
    if (first !== undefined && readProcess(first).length > 0) killFamily(first)
    if (this.apart !== undefined) rmSync(this.apart, { force: true })
    child.stdout?.resume()
    child.stderr?.resume()
    const enough = new AbortController()
    await Promise.race([closed, sleep(lastWordsMs, enough.signal)])
    enough.abort()
    return exit
  }
}

/** What another user's programs make is for nobody else to read, wherever they make it. */
const started = ({ program, args, cwd, user }: Launch, options: SpawnOptions): ChildProcess => {
  if (!user) return spawn(program, args, { ...options, cwd })
  const before = process.umask(0o077)
  try {
    return spawn(program, args, { ...options, cwd, ...user })
  } finally {
    process.umask(before)
  }
}

/** Reads a stream of a child, and pauses while the log outbox is full: then the writer's pipe fills, and it has to wait too. */
export const readInto = (stream: Readable, write: (chunk: Buffer) => void, logs: LogOutbox): void => {
  stream.on('data', (chunk: Buffer) => {
    write(chunk)
    if (!logs.full) return
    stream.pause()
    logs.onRoom(() => stream.resume())
  })
  stream.on('error', () => {}) // it ends with its process, and that is told by `exited`
}
