import { isFault } from '../../../src/lib/fault.ts'
import { Bell } from '../../../src/lib/wake.ts'
import { endWorkflow, renewDriver } from '../../../src/services/workflows/workflows.ts'
import { follow } from '../follow.ts'
import type { ModelJob, ModelWorkflow } from '../model.ts'
import { must, num } from './ask.ts'
import { submit } from './submit.ts'
import type { SimulatedUser } from './user.ts'
import { jobsOf, newTask } from './work.ts'
import { beginWorkflow } from './workflow.ts'

/** A workflow function: its driver renews, calls, waits for what it called, and says how it ends. */
export const driveFunction = async (user: SimulatedUser, jobs: number): Promise<void> => {
  const { chance } = user
  const workflow = await beginWorkflow(user, 'function')
  const ended = new AbortController()
  const outcomes = new Outcomes(user, workflow, ended.signal)
  outcomes.listen()
  user.spawn(() => renew(user, workflow, ended.signal))
  await outcomes.until(() => outcomes.isOpen)
  for (let left = jobs, n = 0; left > 0 && !workflow.cancel; n++) {
    const before = jobsOf(workflow)
    const task = newTask(user, workflow, chance.whole(1, Math.min(left, 40)))
    if (!(await submit(user, task, { call: { key: `k${n}`, epoch: 1 } }))) break
    left -= jobsOf(workflow) - before
    if (chance.happens(0.7)) await outcomes.until(() => task.jobs.every((job) => outcomes.has(job)))
  }
  const end = chance.happens(0.8) ? done : failed
  workflow.end = end.state
  await must(user, `ends ${workflow.id} as ${end.state}`, (engine, p) => endWorkflow(engine, p, num(workflow.id), end))
  ended.abort()
}

const done = { epoch: 1, state: 'done', value: { text: '42' } } as const
const failed = { epoch: 1, state: 'failed', error: { type: 'E', message: 'no' } } as const

/** Each 15 s; now and then the driver is not heard for longer than the server waits, and then goes on. */
const renew = async (user: SimulatedUser, workflow: ModelWorkflow, signal: AbortSignal): Promise<void> => {
  const { world, chance } = user
  while (!signal.aborted) {
    const silentMs = !world.isCalm && chance.happens(0.05) ? chance.between(30_000, 120_000) : 0
    await world.timeline.wait(null, 15_000 + silentMs, signal)
    if (signal.aborted) return
    await must(user, `renews ${workflow.id}`, (engine, p) => renewDriver(engine, p, num(workflow.id), 1))
  }
}

/** What the driver has heard of its calls, over a stream that it keeps open until it has ended. */
class Outcomes {
  readonly #user: SimulatedUser
  readonly #workflow: ModelWorkflow
  readonly #ended: AbortSignal
  readonly #bell = new Bell<'heard'>()
  readonly #jobIds = new Set<string>()
  isOpen = false

  constructor(user: SimulatedUser, workflow: ModelWorkflow, ended: AbortSignal) {
    this.#user = user
    this.#workflow = workflow
    this.#ended = ended
  }

  has(job: ModelJob): boolean {
    return this.#jobIds.has(job.id!)
  }

  listen(): void {
    const { world, caller } = this.#user
    const stream = { workflowId: num(this.#workflow.id), scope: 'driver', signal: this.#ended } as const
    const hear = ({ jobId }: { jobId: string }) => {
      this.#jobIds.add(jobId)
      this.#bell.ring('heard')
    }
    const opened = () => {
      this.isOpen = true
      this.#bell.ring('heard')
    }
    world.timeline.spawn(
      () => follow(world, caller, stream, hear, opened),
      (error) => isFault(error),
    )
  }

  /** Waits for that, unless the workflow is cancelled: then nothing may come any more. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue() && !this.#workflow.cancel) {
      const { rung, cancel } = this.#bell.arm(['heard'])
      await this.#user.world.timeline.wait(rung, 30_000, this.#ended)
      cancel()
    }
  }
}
