import type { Outcome } from '../../../src/contract/jobs.ts'
import type { Report } from '../../../src/contract/pilots.ts'
import type { NewTask } from '../../../src/contract/tasks.ts'
import { isFault } from '../../../src/lib/fault.ts'
import { submitTask } from '../../../src/services/submit/submitTask.ts'
import { listOutcomes } from '../../../src/services/views/tasks.ts'
import { follow } from '../follow.ts'
import { type ModelTask, nameJobs } from '../model.ts'
import { argsOf, type Nature } from '../payload.ts'
import type { Held } from './held.ts'
import { askAsJob, type Host } from './host.ts'

const defaultAttempts = { user: 1, site: 3, lost: 5 }

/** The calls of one attempt: jobs that it hands in, and waits for without a slot. */
export class Calls {
  readonly #host: Host
  readonly #held: Held
  readonly #report: (what: Report['what']) => void
  readonly #missing = new Set<string>()
  /** Also of jobs whose ids it does not know yet: an outcome may come before the answer to the call. */
  readonly #heard = new Map<string, Outcome>()
  #isListening = false
  #allFinished = true

  constructor(host: Host, held: Held, report: (what: Report['what']) => void) {
    this.#host = host
    this.#held = held
    this.#report = report
  }

  /** Makes them and waits for all of them. False when any of them did not finish. */
  async allFinish(calls: Nature[][]): Promise<boolean> {
    const held = this.#held
    const over = new AbortController()
    this.#listen(over.signal)
    try {
      while (!this.#isListening) await this.#host.threads.rung(`held:${held.key}`, 5000)
      for (const [i, jobs] of calls.entries()) {
        const ids = await this.#submit(i, jobs)
        if (!ids) return false
        this.#expect(ids)
      }
      if (this.#mustWait) this.#leaveSlot()
      while (this.#mustWait) await this.#rung(60_000)
      if (held.phase === 'awaiting' && !held.stop) held.phase = 'woken'
      while (held.phase === 'woken' && !held.stop) {
        this.#report('woken')
        await this.#rung(10_000)
      }
      return this.#allFinished
    } finally {
      over.abort()
    }
  }

  #listen(signal: AbortSignal): void {
    const { world, caller, reachable, threads } = this.#host
    const { key, job, task } = this.#held
    const listener = { name: `${caller.name}/${job.jobId}`, reachable }
    const stream = { workflowId: Number(task.workflowId.slice(1)), scope: Number(job.jobId.slice(1)), signal }
    const opened = () => {
      this.#isListening = true
      threads.ring(`held:${key}`)
    }
    world.timeline.spawn(
      () => follow(world, listener, stream, (outcome) => this.#hear(outcome), opened),
      (error) => isFault(error),
    )
  }

  #hear(outcome: Outcome): void {
    this.#heard.set(outcome.jobId, outcome)
    if (!this.#missing.delete(outcome.jobId)) return
    if (outcome.state !== 'finished') this.#allFinished = false
    if (this.#missing.size === 0) this.#host.threads.ring(`held:${this.#held.key}`)
  }

  #expect(ids: string[]): void {
    for (const id of ids) {
      const outcome = this.#heard.get(id)
      if (!outcome) this.#missing.add(id)
      else if (outcome.state !== 'finished') this.#allFinished = false
    }
  }

  get #mustWait(): boolean {
    return this.#missing.size > 0 && !this.#held.stop
  }

  #leaveSlot(): void {
    this.#held.phase = 'awaiting'
    this.#host.held.giveRoom(this.#held)
    this.#report('awaiting')
  }

  #rung(ms: number): Promise<void> {
    return this.#host.threads.rung(`held:${this.#held.key}`, ms, this.#held.stopped.signal)
  }

  /** The jobs of that call; undefined when it was refused. */
  async #submit(i: number, natures: Nature[]): Promise<string[] | undefined> {
    const { world, caller } = this.#host
    const { job, task } = this.#held
    const name = `${task.name}.${job.index}/${i}`
    const modelled = world.model.addTask(this.#modelOf(name, natures))
    const body = this.#bodyOf(name, natures, i)
    const reply = await askAsJob(this.#host, this.#held, `calls ${name}`, (engine, principal) =>
      submitTask(engine, principal, body),
    )
    if (!reply) return undefined
    world.chronicle.note(
      caller.name,
      `${job.jobId} calls ${name}: ${reply.taskId} ${reply.firstJobId}${reply.known ? ' (known)' : ''}`,
    )
    modelled.id = reply.taskId
    nameJobs(modelled, 0, natures.length, reply.firstJobId!)
    // A call that the journal knew may have ended before this attempt listened.
    if (reply.known) {
      const id = Number(reply.taskId.slice(1))
      const page = await askAsJob(this.#host, this.#held, `looks at ${reply.taskId}`, (engine, principal) =>
        listOutcomes(engine, principal, id, { limit: 200 }),
      )
      if (!page) return undefined
      for (const outcome of page.items) this.#hear(outcome)
    }
    return modelled.jobs.map(({ id }) => id!)
  }

  #modelOf(name: string, natures: Nature[]): ModelTask {
    const { job, task } = this.#held
    const caller = this.#host.world.model.job(task.name, job.index)!
    const called: ModelTask = {
      name,
      workflow: caller.task.workflow,
      jobs: [],
      parents: [],
      attempts: defaultAttempts,
      cores: 1,
      caller,
    }
    called.jobs = natures.map((nature, index) => ({ task: called, index, nature, parents: [] }))
    return called
  }

  #bodyOf(name: string, natures: Nature[], i: number): NewTask {
    return {
      workflowId: this.#held.task.workflowId as `w${number}`,
      name,
      payload: { kind: 'command', command: ['true'] },
      jobs: natures.map((nature) => ({ args: { text: argsOf(nature) } })),
      open: false,
      call: { key: `c${i}`, epoch: 1 },
      labels: {},
      cache: false,
      cores: 1,
      gpus: 0,
      priority: 1000,
      attempts: defaultAttempts,
    }
  }
}
