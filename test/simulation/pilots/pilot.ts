import type { Principal } from '../../../src/services/access/authenticate.ts'
import type { Chance } from '../chance.ts'
import type { World } from '../world.ts'
import { Life } from './life.ts'

export type PilotOptions = {
  name: string
  queue: { id: number; name: string }
  slots: number
  memoryMb?: number
  gpus: number
}

/** A pilot as the protocol knows it: `src/pilot` without processes. It may crash, be cut off and leave at any moment, and comes back under its name. */
export class SimulatedPilot {
  readonly #world: World
  readonly #chance: Chance
  readonly options: PilotOptions
  readonly #principal: Principal
  #cutOff = false
  #life: Life | null = null
  #pilotId: number | null = null
  #starts = 0

  constructor(world: World, options: PilotOptions) {
    this.#world = world
    this.#chance = world.chance.of(options.name)
    this.options = options
    this.#principal = { kind: 'pilot', queueId: options.queue.id, queue: options.queue.name }
  }

  get isAlive(): boolean {
    return this.#life !== null
  }

  start(): void {
    const life = new Life(this.#world, this.#chance, this.options, this.#principal, {
      reachable: () => !this.#cutOff,
      nextStart: () => ++this.#starts,
      registered: (pilotId) => {
        this.#pilotId = pilotId
        if (!this.#cutOff) this.#world.referee.inTouch(pilotId)
      },
      over: () => {
        if (this.#pilotId !== null && this.#life === life) this.#world.referee.outOfTouch(this.#pilotId)
        if (this.#life === life) this.#life = null
      },
    })
    this.#life = life
    life.begin()
  }

  crash(): void {
    this.#world.chronicle.note(this.options.name, 'crashes')
    this.#life?.end()
  }

  leave(): void {
    this.#life?.leave()
  }

  cutOff(): void {
    this.#world.chronicle.note(this.options.name, 'is cut off')
    this.#cutOff = true
    if (this.#pilotId !== null) this.#world.referee.outOfTouch(this.#pilotId)
  }

  reconnect(): void {
    this.#world.chronicle.note(this.options.name, 'is in touch again')
    this.#cutOff = false
    if (this.#pilotId !== null && this.#life?.registered) this.#world.referee.inTouch(this.#pilotId)
  }
}
