import type { Chance } from './chance.ts'
import { type PilotOptions, SimulatedPilot } from './pilots/pilot.ts'
import type { Faults } from './plan.ts'
import type { World } from './world.ts'

/** What befalls servers and pilots, at times that the seed draws; and the supervisors that start them again. */
export class Weather {
  readonly #world: World
  readonly #chance: Chance
  readonly #pilots: SimulatedPilot[] = []
  #heldDown = false
  #newNames = 0

  constructor(world: World) {
    this.#world = world
    this.#chance = world.chance.of('weather')
  }

  begin(pilots: PilotOptions[]): void {
    const { plan, timeline } = this.#world
    const { faults } = plan
    for (let n = 0; n < plan.servers; n++) timeline.spawn(() => this.#superviseServer())
    for (const options of pilots) this.#addPilot(options)
    timeline.spawn(() => this.#every(faults.serverKilledEvery, () => this.#killServer()))
    timeline.spawn(() => this.#every(faults.outageEvery, () => this.#outage()))
    timeline.spawn(() => this.#every(faults.pilotCrashesEvery, () => this.#crashPilot()))
    timeline.spawn(() => this.#every(faults.pilotCutOffEvery, () => this.#cutOffPilot()))
    timeline.spawn(() => this.#every(faults.pilotLeavesEvery, () => this.#pilotLeaves()))
    timeline.spawn(async () => {
      await timeline.sleep(plan.calmAfterMs)
      this.#becomeCalm(faults)
    })
  }

  #becomeCalm(faults: Faults): void {
    this.#world.chronicle.note('weather', 'is calm')
    this.#world.isCalm = true
    for (const name of Object.keys(faults) as (keyof Faults)[]) if (name !== 'latencyMs') faults[name] = 0
    this.#heldDown = false
    this.#world.servers.databaseAway = false
    for (const pilot of this.#pilots) pilot.reconnect()
  }

  #addPilot(options: PilotOptions): void {
    const pilot = new SimulatedPilot(this.#world, options)
    this.#pilots.push(pilot)
    this.#world.timeline.spawn(() => this.#supervisePilot(pilot))
  }

  /** Started again after a while, under its name; and soon when all is calm, for the work that is left. */
  async #supervisePilot(pilot: SimulatedPilot): Promise<void> {
    const { timeline } = this.#world
    await timeline.sleep(this.#chance.around(2000))
    for (;;) {
      pilot.start()
      while (pilot.isAlive) await timeline.sleep(1000)
      for (let left = this.#chance.around(40_000); left > 0 && !this.#world.isCalm; left -= 1000)
        await timeline.sleep(1000)
    }
  }

  async #superviseServer(): Promise<void> {
    const { timeline, servers } = this.#world
    for (;;) {
      while (this.#heldDown) await timeline.sleep(500)
      const server = await servers.start()
      while (!server.gone.aborted) await timeline.wait(null, 60_000, server.gone)
      await timeline.sleep(this.#chance.around(2000))
    }
  }

  async #every(meanSeconds: number, act: () => Promise<void>): Promise<void> {
    if (meanSeconds === 0) return
    while (!this.#world.isCalm) {
      await this.#world.timeline.sleep(this.#chance.around(meanSeconds * 1000))
      if (!this.#world.isCalm) await act()
    }
  }

  async #killServer(): Promise<void> {
    const { alive } = this.#world.servers
    if (alive.length > 0) this.#chance.pick(alive).kill(this.#chance.happens(0.7) ? this.#chance.whole(1, 300) : 0)
  }

  /** The servers, their database, or both are away for seconds or minutes. */
  async #outage(): Promise<void> {
    const { servers, timeline, chronicle } = this.#world
    const seconds = this.#chance.happens(0.5) ? this.#chance.between(1, 20) : this.#chance.between(20, 300)
    const [noServers, noDatabase] = this.#chance.pick([
      [true, false],
      [false, true],
      [true, true],
    ])
    chronicle.note(
      'weather',
      `${noServers ? 'no servers ' : ''}${noDatabase ? 'no database ' : ''}for ${seconds.toFixed(1)} s`,
    )
    if (noServers) {
      this.#heldDown = true
      for (const server of servers.alive) server.kill()
    }
    if (noDatabase) servers.databaseAway = true
    await timeline.sleep(seconds * 1000)
    chronicle.note('weather', 'the outage is over')
    servers.databaseAway = false
    this.#heldDown = false
  }

  #somePilot(): SimulatedPilot | undefined {
    const living = this.#pilots.filter((pilot) => pilot.isAlive)
    return living.length > 0 ? this.#chance.pick(living) : undefined
  }

  /** It comes back under its name; now and then another takes up its work beside it. */
  async #crashPilot(): Promise<void> {
    const pilot = this.#somePilot()
    pilot?.crash()
    if (pilot && this.#chance.happens(0.2))
      this.#addPilot({ ...pilot.options, name: `${pilot.options.name}-${++this.#newNames}` })
  }

  async #cutOffPilot(): Promise<void> {
    const pilot = this.#somePilot()
    if (!pilot) return
    pilot.cutOff()
    const ms = this.#chance.between(1000, 150_000)
    this.#world.timeline.spawn(async () => {
      await this.#world.timeline.sleep(ms)
      pilot.reconnect()
    })
  }

  async #pilotLeaves(): Promise<void> {
    this.#somePilot()?.leave()
  }
}
