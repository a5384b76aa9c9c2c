import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import { sleep } from '../../src/lib/clock.ts'
import type { DriverInput, DriverReport } from './driver.ts'
import { eventually } from './eventually.ts'
import type { World } from './world.ts'

type Running = { n: number; child: ChildProcess; killed: boolean }

/** Keeps so many planned workflows under way, each by a process of its own; one that is killed is started again with the same plan. */
export class Drivers {
  readonly #world: World
  readonly #scale: number
  readonly #running = new Map<number, Running>()
  #next = 1
  #closing = false
  ended = 0
  jobs = 0
  kills = 0

  constructor(world: World, { scale }: { scale: number }) {
    this.#world = world
    this.#scale = scale
  }

  get underWay(): number {
    return this.#running.size
  }

  keep(count: number): void {
    while (this.#running.size < count) this.#start(this.#next++)
  }

  /** Kills one with −9, any; it goes on a little later. Gives its number. */
  kill(choose: (all: number[]) => number): number | null {
    const all = [...this.#running.keys()]
    if (all.length === 0) return null
    const n = choose(all)
    const running = this.#running.get(n)!
    running.killed = true
    this.kills++
    running.child.kill('SIGKILL')
    return n
  }

  /** No further workflows; waits until those under way have come to their end. */
  async finish(withinMs: number): Promise<void> {
    this.#closing = true
    await eventually(
      async () => this.#running.size === 0,
      `all drivers have ended; left: ${[...this.#running.keys()]}`,
      withinMs,
      500,
    ).catch((error) => this.#world.isWrong(`${error.message} (${[...this.#running.keys()].join(', ')})`))
    for (const { child } of this.#running.values()) child.kill('SIGKILL')
  }

  #start(n: number): void {
    const { options, marks, token, driverUrl: url } = this.#world
    const input: DriverInput = { url, token, seed: options.seed, n, scale: this.#scale, marks }
    const log = openSync(path.join(this.#world.folder, 'logs', `driver${n}.log`), 'a')
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', this.#world.file('driver.js'), JSON.stringify(input)],
      {
        stdio: ['ignore', 'pipe', log],
        env: { PATH: process.env.PATH },
      },
    )
    closeSync(log)
    let out = ''
    child.stdout!.on('data', (chunk) => {
      out += chunk
    })
    const running = { n, child, killed: false }
    this.#running.set(n, running)
    child.once('close', async (code, signal) => {
      if (running.killed) await sleep(200)
      else this.#heard(n, code === 0 ? out : undefined, `${signal ?? `exit code ${code}`}`)
      this.#running.delete(n)
      if (running.killed && !(this.#closing && this.#world.wrong.length > 1000)) this.#start(n)
      else if (!this.#closing) this.#start(this.#next++)
    })
  }

  #heard(n: number, out: string | undefined, how: string): void {
    this.ended++
    if (out === undefined) return void this.#world.isWrong(`driver ${n} ended by itself: ${how}`)
    const { jobs, wrong } = JSON.parse(out.trim().split('\n').at(-1)!) as DriverReport
    this.jobs += jobs
    for (const line of wrong) this.#world.isWrong(line)
  }
}
