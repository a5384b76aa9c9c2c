import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, copyFileSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { makeClient } from '../../src/contract/client.ts'
import { sleep } from '../../src/lib/clock.ts'
import { showId } from '../../src/lib/ids.ts'
import { sql } from '../../src/store/db.ts'
import { eventually } from './eventually.ts'
import type { World } from './world.ts'

/** Runs workflow functions of `programs/` by `culm run`, a few at a time, and compares the values that they print. */
export class Programs {
  readonly #world: World
  readonly #running = new Map<number, ChildProcess>()
  #next = 1
  #closing = false
  ended = 0

  constructor(world: World) {
    this.#world = world
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
    this.#running.get(n)!.kill('SIGKILL')
    return n
  }

  async finish(withinMs: number): Promise<void> {
    this.#closing = true
    await eventually(async () => this.#running.size === 0, 'all programs have ended', withinMs, 500).catch(() =>
      this.#world.isWrong(`programs did not end: ${[...this.#running.keys()].join(', ')}`),
    )
    for (const child of this.#running.values()) child.kill('SIGKILL')
    await this.#cancelAbandoned()
  }

  /** Who was killed while his workflow came into being finds none when he is started again, and begins another: the first waits for its driver until a person cancels it. */
  async #cancelAbandoned(): Promise<void> {
    const { db, driverUrl: url, token, say } = this.#world
    const abandoned = await db.rows<{ id: number }>(sql`
      select id from workflow w where state in ('running', 'paused') and exists (select from workflow v where v.program = w.program and v.id > w.id)`)
    const client = makeClient({ url, token })
    for (const { id } of abandoned) {
      say(`${showId('w', id)} was abandoned by its program, and is cancelled`)
      const params = { id: showId('w', id) }
      await client.call('cancelWorkflow', { params, body: { why: 'its program began another' }, repeat: true })
    }
    await client.close()
  }

  /** Each runs a file of its own name, by which its workflow is found again. */
  #start(n: number): void {
    const world = this.#world
    const program = world.file(`programs/nested${n}.ts`)
    copyFileSync(world.file('programs/nested.ts'), program)
    this.#run(n, program, [])
  }

  async #goOn(n: number, program: string): Promise<void> {
    const known = await eventually(
      () =>
        this.#world.db
          .rows<{ id: number }>(
            sql`select id from workflow where program = ${path.basename(program)} order by id desc limit 1`,
          )
          .catch(() => undefined),
      'the database answers',
      120_000,
    )
    this.#run(n, program, known[0] ? ['--continue', `w${known[0].id}`] : [])
  }

  #run(n: number, program: string, more: string[]): void {
    const world = this.#world
    const logFile = path.join(world.folder, 'logs', `program${n}.log`)
    const log = openSync(logFile, 'a')
    const args = ['run', program, world.marks, String(n), '--json', '--server', world.driverUrl, ...more]
    const child = spawn(process.execPath, [world.file('dist/culm.js'), ...args], {
      stdio: ['ignore', 'pipe', log],
      env: { PATH: process.env.PATH, HOME: world.home, CULM_HOME: world.home, CULM_TOKEN: world.token },
    })
    closeSync(log)
    let out = ''
    child.stdout!.on('data', (chunk) => {
      out += chunk
    })
    this.#running.set(n, child)
    child.once('close', async (code, signal) => {
      const said = `${out.trim()} ${readFileSync(logFile, 'utf8').trim()}`.slice(-500)
      const isOver = this.#closing && this.#world.wrong.length > 0 && signal === 'SIGKILL'
      // One that was killed, or gave up since no server was there for a minute or a disk was full, goes on as the same run.
      const gaveUp = code !== 0 && /"code":"(server_away|database_away|storage_full)"/.test(said.split('\n').at(-1)!)
      const goesOn = signal === 'SIGKILL' || gaveUp
      if (goesOn && !isOver) {
        await sleep(500)
        return this.#goOn(n, program)
      }
      this.#running.delete(n)
      this.ended++
      if (code !== 0) world.isWrong(`program ${n} ended with ${signal ?? code}: ${said}; see program${n}.log`)
      else if (!out.includes(`"value":${expectedOf(n)}`))
        world.isWrong(`program ${n} gave ${out.trim().slice(0, 200)}, not ${expectedOf(n)}`)
      if (!this.#closing) this.#start(this.#next++)
    })
  }
}

/** What `main` of programs/nested.ts comes to. */
const expectedOf = (x: number): number => 11 * x + 2 + (11 * (x + 1) + 2) + 1_200_001
