import { setMaxListeners } from 'node:events'
import { type Agent, runAgent } from '../../src/agents/agent.ts'
import { allAgents } from '../../src/agents/index.ts'
import { listeners } from '../../src/agents/listeners.ts'
import { Fault, messageOf } from '../../src/lib/fault.ts'
import { type Log, silentLog } from '../../src/lib/log.ts'
import type { Storage } from '../../src/ports/storage.ts'
import {
  type BellKey,
  defaultLimits,
  type Engine,
  hearRing,
  type Limits,
  makeEngine,
} from '../../src/services/engine/engine.ts'
import type { Database } from '../../src/store/db.ts'
import type { Chance } from './chance.ts'
import type { Chronicle } from './chronicle.ts'
import { faultyDatabase } from './faultyDatabase.ts'
import type { Faults } from './plan.ts'
import type { Stretch } from './referee.ts'
import type { Timeline } from './timeline.ts'

/** A server process was killed: whatever it was doing ends here. */
export class ServerGone extends Error {
  constructor() {
    super('this server was killed')
  }
}

export type Server = {
  name: string
  engine: Engine
  /** Aborted when it is killed. */
  gone: AbortSignal
  /** Kills it, now or in the middle of what it does so many statements from now. */
  kill: (inStatements?: number) => void
}

/**
 * The server processes of one installation, each with the production engine and agents, all on one database. Killed, they lose what they had in memory;
 * when the database is away, they live on without it.
 */
export class Servers {
  readonly #timeline: Timeline
  readonly #chance: Chance
  readonly #db: Database
  readonly #faults: Faults
  readonly #chronicle: Chronicle
  readonly #slowness: number
  readonly #limits: Limits
  #alive: Server[] = []
  #starts = 0
  #databaseAway = false
  /** When no process could hear anybody. */
  readonly deaf: Stretch[] = []
  /** Errors that a server has in its log and should not have. */
  readonly mishaps: string[] = []

  constructor(o: {
    timeline: Timeline
    chance: Chance
    db: Database
    faults: Faults
    chronicle: Chronicle
    slowness: number
    jobsAtOnce: number
  }) {
    this.#timeline = o.timeline
    this.#chance = o.chance
    this.#db = o.db
    this.#faults = o.faults
    this.#chronicle = o.chronicle
    this.#slowness = o.slowness
    this.#limits = { ...defaultLimits, jobsAtOnce: o.jobsAtOnce }
  }

  get alive(): readonly Server[] {
    return this.#alive
  }

  set databaseAway(isAway: boolean) {
    this.#databaseAway = isAway
    this.#noteHearing()
  }

  #noteHearing(): void {
    const now = this.#timeline.now
    const open = this.deaf.at(-1)?.to === Number.POSITIVE_INFINITY
    const isDeaf = this.#databaseAway || this.#alive.length === 0
    if (isDeaf && !open) this.deaf.push({ from: now, to: Number.POSITIVE_INFINITY })
    if (!isDeaf && open) this.deaf.at(-1)!.to = now
  }

  /** Starts a process; it tries again while the database is away, as its supervisor would. */
  async start(): Promise<Server> {
    for (;;) {
      const name = `server${++this.#starts}`
      try {
        return await this.#start(name)
      } catch (error) {
        if (!(error instanceof ServerGone) && !isAway(error)) throw error
        await this.#timeline.sleep(this.#chance.between(500, 3000))
      }
    }
  }

  async #start(name: string): Promise<Server> {
    const ending = new AbortController()
    setMaxListeners(0, ending.signal)
    const chance = this.#chance.of(name)
    let statementsLeft = Number.POSITIVE_INFINITY
    const kill = (inStatements = 0) => {
      if (inStatements > 0) {
        statementsLeft = inStatements
        return
      }
      if (ending.signal.aborted) return
      this.#alive = this.#alive.filter((server) => server.name !== name)
      this.#noteHearing()
      this.#chronicle.note(name, 'is killed')
      ending.abort()
    }
    const meet = (p: number, count: boolean) => {
      if (count && --statementsLeft <= 0) kill()
      if (ending.signal.aborted) throw new ServerGone()
      if (this.#databaseAway || chance.happens(p)) throw new Fault('database_away', 'the database does not answer')
    }
    const engine = await makeEngine({
      db: faultyDatabase(this.#db, {
        before: () => meet(this.#faults.statementFails, true),
        after: () => meet(this.#faults.commitUnheard, false),
      }),
      clock: this.#timeline.clock,
      log: this.#logOf(name),
      storage: noStorage,
      randomBytes: (n) => chance.bytes(n),
      random: () => chance.next(),
      limits: this.#limits,
      wait: async (rung, ms, signal) => {
        await this.#timeline.wait(
          rung,
          ms,
          signal === ending.signal ? signal : AbortSignal.any([signal, ending.signal]),
        )
        if (ending.signal.aborted) throw new ServerGone()
      },
      others: { send: (keys) => this.#ringOthers(name, keys), lookAround: async () => {} },
    })
    await engine.lanes.refresh()
    const server = { name, engine, gone: ending.signal, kill }
    for (const agent of [...allAgents(engine), ...listeners(engine)])
      this.#timeline.spawn(
        () => runAgent(engine, this.#slowed(agent), ending.signal),
        (error) => error instanceof ServerGone,
      )
    this.#alive = [...this.#alive, server]
    this.#noteHearing()
    this.#chronicle.note(name, 'serves')
    return server
  }

  /**
   * Woken late, and looking seldom of itself: most statements of a seed were looks of idle agents. Only what a server notes of its own hearing keeps its pace, since the
   * leases of pilots count with it.
   */
  #slowed(agent: Agent): Agent {
    if (agent.name === 'hearing') return agent
    const { delayMs } = agent
    const everyMs = agent.everyMs * this.#slowness
    return { ...agent, everyMs, ...(delayMs ? { delayMs: async () => (await delayMs()) * this.#slowness } : {}) }
  }

  /** As over NOTIFY: a little later, and not always. */
  #ringOthers(from: string, keys: readonly BellKey[]): void {
    for (const other of this.#alive) {
      if (other.name === from || this.#chance.happens(this.#faults.ringLost)) continue
      this.#timeline.spawn(async () => {
        await this.#timeline.sleep(this.#chance.between(1, 20))
        if (!other.gone.aborted) hearRing(other.engine, keys, true)
      })
    }
  }

  #logOf(name: string): Log {
    const heard = (data: object, message?: string) => {
      const { error } = data as { error?: string }
      if (error?.includes('database does not answer') || error?.includes('was killed')) return
      this.mishaps.push(`${name}: ${message} ${JSON.stringify(data)}`)
      this.#chronicle.note(name, `${message} ${JSON.stringify(data)}`)
    }
    return { ...silentLog, warn: heard, error: heard }
  }
}

export const isAway = (error: unknown): boolean => error instanceof Fault && error.code === 'database_away'

/** What a handler throws that no client should ever see. */
export const isMishap = (error: unknown): boolean => !(error instanceof Fault) && !(error instanceof ServerGone)

export const mishapOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : messageOf(error)

/** Values are inline here: nothing is stored. */
const noStorage = new Proxy({} as Storage, {
  get: (_, name) => {
    throw new Error(`the simulation has no storage (${String(name)})`)
  },
})
