import type { Principal } from '../../../src/services/access/authenticate.ts'
import type { Chance } from '../chance.ts'
import type { Caller } from '../network.ts'
import type { World } from '../world.ts'
import { driveFunction } from './driver.ts'
import { submitTasks } from './shapes.ts'

/** Somebody who submits workflows until so many jobs are his, and changes his mind about some. */
export class SimulatedUser {
  readonly world: World
  readonly chance: Chance
  readonly name: string
  readonly caller: Caller
  readonly principal: Principal
  readonly #jobs: number
  #names = 0
  /** Threads that are not over yet. */
  #busy = 0

  constructor(world: World, { personId, name }: { personId: number; name: string }, jobs: number) {
    this.world = world
    this.chance = world.chance.of(name)
    this.name = name
    this.caller = { name, reachable: () => true }
    this.principal = {
      kind: 'user',
      personId,
      name,
      experimentId: 1,
      experiment: 'default',
      admin: false,
      operator: false,
      expiresAt: null,
      teams: [{ id: 1, name: 'users', role: 'member' }],
    }
    this.#jobs = jobs
  }

  get isDone(): boolean {
    return this.#busy === 0
  }

  start(): void {
    // One that is cancelled early hands in no more: of large ones few jobs would be left.
    const size = Math.min(500, Math.max(60, this.#jobs / 8))
    const workflows = Math.ceil(this.#jobs / size)
    const each = Math.ceil(this.#jobs / workflows)
    for (let n = 0; n < workflows; n++)
      this.spawn(async () => {
        await this.world.timeline.sleep(this.chance.between(0, this.world.plan.arrivalMs))
        if (this.chance.happens(0.3)) await driveFunction(this, each)
        else await submitTasks(this, each)
      })
  }

  /** A thread of his own: he is not done before it is over. */
  spawn(run: () => Promise<void>): void {
    this.#busy++
    this.world.timeline.spawn(async () => {
      await run()
      this.#busy--
    })
  }

  /** For the name of a workflow or task: no two of his have the same. */
  nextNumber(): number {
    return ++this.#names
  }
}
