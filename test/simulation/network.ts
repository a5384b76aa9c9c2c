import { Fault } from '../../src/lib/fault.ts'
import type { Engine } from '../../src/services/engine/engine.ts'
import type { Chance } from './chance.ts'
import type { Chronicle } from './chronicle.ts'
import type { Faults } from './plan.ts'
import { isAway, isMishap, mishapOf, type Server, ServerGone, type Servers } from './servers.ts'
import type { Timeline } from './timeline.ts'

/** Nothing came back: the request, its answer or the server was lost, and nobody here knows which. */
export class NoAnswer extends Error {}

export type Caller = {
  name: string
  /** False while it is cut off from the servers. */
  reachable: () => boolean
}

export type Request<T> = { what: string; handle: (engine: Engine, server: Server) => Promise<T>; safeTwice?: boolean }

/** Between those who call and the servers: slow, lossy, and now and then it delivers a request once more, much later. */
export class Network {
  readonly #timeline: Timeline
  readonly #chance: Chance
  readonly #servers: Servers
  readonly #faults: Faults
  readonly #chronicle: Chronicle
  readonly mishaps: string[] = []

  constructor(o: { timeline: Timeline; chance: Chance; servers: Servers; faults: Faults; chronicle: Chronicle }) {
    this.#timeline = o.timeline
    this.#chance = o.chance
    this.#servers = o.servers
    this.#faults = o.faults
    this.#chronicle = o.chronicle
  }

  /** One try. Throws `NoAnswer`, or the fault that the server answered with. */
  async ask<T>(caller: Caller, request: Request<T>): Promise<T> {
    const chance = this.#chance
    await this.#timeline.sleep(this.#latencyMs())
    if (request.safeTwice && chance.happens(this.#faults.deliveredTwice)) this.#deliverLater(caller, request)
    if (!caller.reachable() || chance.happens(this.#faults.requestLost)) return this.#nothing(caller, request, 'lost')
    const server = this.#servers.alive.length > 0 ? chance.pick(this.#servers.alive) : undefined
    if (!server) return this.#nothing(caller, request, 'refused')
    const reply = await this.#handled(caller, request, server)
    if (!caller.reachable() || chance.happens(this.#faults.replyLost))
      return this.#nothing(caller, request, 'done, unheard')
    await this.#timeline.sleep(this.#latencyMs())
    if (reply instanceof Fault) throw reply
    return reply
  }

  async #handled<T>(caller: Caller, request: Request<T>, server: Server): Promise<T | Fault> {
    try {
      return await request.handle(server.engine, server)
    } catch (error) {
      if (isMishap(error)) {
        this.mishaps.push(`${caller.name} ${request.what}: ${mishapOf(error)}`)
        this.#chronicle.note(caller.name, `${request.what}: ${mishapOf(error)}`)
      }
      if (!(error instanceof Fault) || isAway(error)) return this.#nothing(caller, request, 'failed')
      this.#chronicle.note(caller.name, `${request.what}: ${error.code}`)
      return error
    }
  }

  async #nothing(caller: Caller, request: { what: string }, why: string): Promise<never> {
    this.#chronicle.note(caller.name, `${request.what}: ${why}`)
    await this.#timeline.sleep(this.#chance.between(0, 1000))
    throw new NoAnswer(why)
  }

  #deliverLater<T>(caller: Caller, request: Request<T>): void {
    const laterMs = this.#chance.around(10_000)
    this.#timeline.spawn(
      async () => {
        await this.#timeline.sleep(laterMs)
        const server = this.#servers.alive.length > 0 ? this.#chance.pick(this.#servers.alive) : undefined
        if (!server) return
        this.#chronicle.note(caller.name, `${request.what}: delivered once more`)
        await request.handle(server.engine, server).catch((error) => {
          if (isMishap(error)) this.mishaps.push(`${caller.name} ${request.what}: ${mishapOf(error)}`)
        })
      },
      (error) => error instanceof ServerGone,
    )
  }

  #latencyMs(): number {
    return this.#chance.between(0.2, 1) + this.#chance.around(this.#faults.latencyMs)
  }
}
