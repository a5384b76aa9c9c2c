import { setTimeout as pause } from 'node:timers/promises'
import type { Drivers } from '../drivers.ts'
import type { Programs } from '../programs.ts'
import { oneOf, type Random } from '../random.ts'
import type { Incident, World } from '../world.ts'

/** One way in which things go wrong. */
export type Fault = {
  kind: string
  /** How long it may take with all that follows from it, s: it is not begun when less is left. */
  seconds: number
  /** Left out of runs in which it cannot be done. */
  possible?: (world: World) => boolean
  /** Does it, and undoes it again; ends when what it struck works as before. */
  act: (stage: Stage) => Promise<void>
}

/** What a fault acts on. Its chance is its own, so that a plan can be repeated however the timing of others falls. */
export class Stage {
  readonly world: World
  readonly drivers: Drivers
  readonly programs: Programs
  readonly random: Random
  readonly #busy: Set<string>
  readonly #taken: string[] = []

  constructor(
    { world, drivers, programs }: { world: World; drivers: Drivers; programs: Programs },
    random: Random,
    busy: Set<string>,
  ) {
    this.world = world
    this.drivers = drivers
    this.programs = programs
    this.random = random
    this.#busy = busy
  }

  /** One of these that no other fault has its hands on; none when all are taken. */
  take<T>(items: readonly T[], nameOf: (item: T) => string): T | undefined {
    const free = items.filter((item) => !this.#busy.has(nameOf(item)))
    if (free.length === 0) return undefined
    const chosen = oneOf(this.random, free)
    this.#busy.add(nameOf(chosen))
    this.#taken.push(nameOf(chosen))
    return chosen
  }

  release(): void {
    for (const name of this.#taken) this.#busy.delete(name)
  }

  begin(kind: string, target: string, note?: string): Incident {
    const incident: Incident = { kind, target, from: Date.now(), to: null, note }
    this.world.incidents.push(incident)
    return incident
  }

  /** The fault itself is over; `back` tells when what it struck works as before. */
  async over(incident: Incident, back?: Promise<unknown>): Promise<void> {
    incident.to = Date.now()
    if (!back) return
    await back
    incident.recoveredMs = Date.now() - incident.to
  }

  wait(seconds: number): Promise<void> {
    return pause(seconds * 1000)
  }
}
