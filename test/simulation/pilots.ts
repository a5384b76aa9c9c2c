import { setMaxListeners } from 'node:events'
import type { Outcome } from '../../src/contract/jobs.ts'
import type { Claim, ClaimedJob, ClaimedTask, ClaimReply, Report, ReportsReply } from '../../src/contract/pilots.ts'
import type { NewTask } from '../../src/contract/tasks.ts'
import { isFault } from '../../src/lib/fault.ts'
import { Bell } from '../../src/lib/wake.ts'
import { digestOf } from '../../src/pilot/thread/lease.ts'
import { authenticate, type Principal } from '../../src/services/access/authenticate.ts'
import { createCallback, postToCallback, readCallback } from '../../src/services/jobs/callbacks.ts'
import { claimJobs } from '../../src/services/pilots/claimJobs.ts'
import { leavePilot, registerPilot, renewPilot } from '../../src/services/pilots/pilots.ts'
import { reportJobs } from '../../src/services/pilots/reportJobs.ts'
import { submitTask } from '../../src/services/submit/submitTask.ts'
import { listOutcomes } from '../../src/services/views/tasks.ts'
import type { Chance } from './chance.ts'
import { follow } from './follow.ts'
import { type ModelTask, nameJobs } from './model.ts'
import type { Request } from './network.ts'
import { argsOf, failureOf, type Nature, natureOf, textOf } from './payload.ts'
import type { World } from './world.ts'
import { answered } from './world.ts'

/** This life of the pilot is over: its threads end. */
class LifeOver extends Error {}

type Stop = 'cancelled' | 'dropped' | 'returned'

type BellKey = 'freed' | 'reports' | 'quiet' | `held:${string}`

type Held = {
  job: ClaimedJob
  task: ClaimedTask
  phase: 'running' | 'awaiting' | 'woken' | 'ended'
  stop: Stop | null
  stopped: AbortController
}

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

type Hooks = {
  reachable: () => boolean
  nextStart: () => number
  registered: (pilotId: number) => void
  over: () => void
}

/** One start of a pilot: what it knows is gone with it. */
class Life {
  readonly #world: World
  readonly #chance: Chance
  readonly #options: PilotOptions
  readonly #principal: Principal
  readonly #hooks: Hooks
  readonly #dead = new AbortController()
  readonly #bell = new Bell<BellKey>()
  readonly #held = new Map<string, Held>()
  readonly #reports: Report[] = []
  readonly #acknowledged: Report[] = []
  #pilotId = 0
  #epoch = 0
  #renewMs = 15_000
  #coresTaken = 0
  #memoryTaken = 0
  #gpusTaken = 0
  #leaving = false
  #nextClaim = 1

  constructor(world: World, chance: Chance, options: PilotOptions, principal: Principal, hooks: Hooks) {
    setMaxListeners(0, this.#dead.signal)
    this.#world = world
    this.#chance = chance
    this.#options = options
    this.#principal = principal
    this.#hooks = hooks
  }

  get registered(): boolean {
    return this.#epoch > 0
  }

  begin(): void {
    this.#spawn(async () => {
      await this.#register()
      this.#spawn(() => this.#claimForEver())
      this.#spawn(() => this.#renewForEver())
      this.#spawn(() => this.#reportForEver())
    })
  }

  end(): void {
    if (this.#dead.signal.aborted) return
    this.#hooks.over()
    this.#dead.abort()
  }

  leave(): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#note('leaves')
    this.#bell.ring('freed')
    this.#spawn(() => this.#leave())
  }

  #spawn(run: () => Promise<void>): void {
    this.#world.timeline.spawn(run, (error) => error instanceof LifeOver)
  }

  #note(what: string): void {
    this.#world.chronicle.note(this.#options.name, what)
  }

  readonly #sleep = async (ms: number): Promise<void> => {
    await this.#world.timeline.wait(null, ms, this.#dead.signal)
    this.#mustLive()
  }

  async #rung(key: BellKey, ms: number): Promise<void> {
    const { rung, cancel } = this.#bell.arm([key])
    try {
      await this.#world.timeline.wait(rung, ms, this.#dead.signal)
    } finally {
      cancel()
    }
    this.#mustLive()
  }

  #mustLive(): void {
    if (this.#dead.signal.aborted) throw new LifeOver()
  }

  /** The answer; a pilot that was replaced ends. */
  async #ask<T>(request: Request<T>): Promise<T> {
    const caller = {
      name: this.#options.name,
      reachable: () => this.#hooks.reachable() && !this.#dead.signal.aborted,
    }
    const reply = await answered(this.#world, caller, request, this.#sleep)
    this.#mustLive()
    if (!isFault(reply)) return reply as T
    if (reply.code !== 'pilot_replaced' && reply.code !== 'pilot_unknown')
      this.#world.referee.broken.push(
        `${this.#options.name} ${request.what} was refused: ${reply.code} ${reply.message}`,
      )
    this.end()
    throw new LifeOver()
  }

  async #register(): Promise<void> {
    const { name, queue, slots, memoryMb, gpus } = this.#options
    const body = {
      name,
      queue: queue.name,
      slots,
      memoryMb,
      gpus,
      host: 'here',
      version: '1',
      start: this.#hooks.nextStart(),
    }
    const { pilotId, epoch, renewSeconds } = await this.#ask({
      what: 'registers',
      safeTwice: true,
      handle: (engine) => registerPilot(engine, this.#principal, body),
    })
    this.#pilotId = Number(pilotId.slice(1))
    this.#epoch = epoch
    this.#renewMs = renewSeconds * 1000
    this.#note(`is ${pilotId}, epoch ${epoch}`)
    this.#hooks.registered(this.#pilotId)
  }

  async #claimForEver(): Promise<void> {
    for (; !this.#leaving; this.#nextClaim++) {
      const claimSeq = this.#nextClaim
      const cores = Math.max(0, this.#options.slots - this.#coresTaken)
      if (cores === 0) await this.#rung('freed', 2000)
      const claim: Claim = {
        epoch: this.#epoch,
        claimSeq,
        cores,
        jobs: this.#chance.happens(0.2) ? this.#chance.whole(0, cores) : cores,
        waitSeconds: this.#waitSeconds(cores),
        gpus: Math.max(0, this.#options.gpus - this.#gpusTaken),
        ...(this.#options.memoryMb ? { memoryMb: Math.max(0, this.#options.memoryMb - this.#memoryTaken) } : {}),
      }
      const reply = await this.#ask({
        what: `claim ${claimSeq} of ${cores}`,
        safeTwice: true,
        handle: (engine, server) => claimJobs(engine, this.#principal, this.#pilotId, claim, server.gone),
      })
      this.#take(claim, reply)
      if (this.#chance.happens(0.2)) await this.#sleep(this.#chance.around(200))
    }
  }

  /** `src/pilot` takes an open claim back when a GPU comes free, and asks for that too; this one waits less while some are taken. */
  #waitSeconds(cores: number): number {
    if (cores === 0) return 1
    return this.#chance.pick(this.#gpusTaken > 0 ? [0, 1, 2] : [0, 2, 20])
  }

  #take(claim: Claim, reply: ClaimReply): void {
    const words = [
      ...reply.jobs.map((j) => `${j.jobId}:${j.attempt}`),
      ...reply.resumed.map((j) => `resumed ${j.jobId}:${j.attempt}`),
      ...reply.cancel.map((j) => `cancel ${j.jobId}:${j.attempt}`),
    ]
    this.#note(`claim ${claim.claimSeq} of ${claim.cores} got ${words.join(' ') || 'nothing'}`)
    this.#world.referee.claimed(this.#options.name, claim, reply)
    const tasks = new Map(reply.tasks.map((task) => [task.taskId, task]))
    for (const job of reply.jobs) {
      const key = `${job.jobId}:${job.attempt}`
      const task = tasks.get(job.taskId)
      if (!task || this.#held.has(key)) continue
      const held: Held = { job, task, phase: 'running', stop: null, stopped: new AbortController() }
      this.#held.set(key, held)
      this.#world.referee.took(job.jobId, job.attempt, memoryOf(held))
      this.#takeRoom(held)
      this.#spawn(() => this.#run(key, held))
    }
    for (const { jobId, attempt } of reply.resumed) this.#resume(`${jobId}:${attempt}`)
    for (const { jobId, attempt } of reply.cancel) this.#stop(`${jobId}:${attempt}`, 'cancelled')
  }

  #takeRoom(held: Held): void {
    const { task } = held
    this.#coresTaken += task.cores
    this.#memoryTaken += memoryOf(held) ?? 0
    this.#gpusTaken += task.gpus
  }

  #giveRoom(held: Held): void {
    const { task } = held
    this.#coresTaken -= task.cores
    this.#memoryTaken -= memoryOf(held) ?? 0
    this.#gpusTaken -= task.gpus
    this.#bell.ring('freed')
  }

  #resume(key: string): void {
    const held = this.#held.get(key)
    if (held?.phase !== 'woken') return
    held.phase = 'running'
    this.#takeRoom(held)
    this.#bell.ring(`held:${key}`)
  }

  #stop(key: string, why: Stop): void {
    const held = this.#held.get(key)
    if (!held || held.phase === 'ended' || (held.stop && why !== 'dropped')) return
    held.stop = why
    held.stopped.abort()
  }

  /** The payload, and how it ends. */
  async #run(key: string, held: Held): Promise<void> {
    const { job } = held
    const nature = natureOf('text' in job.args ? job.args.text : '')
    const startedAt = this.#world.timeline.clock().toISOString()
    const report = (what: Report['what'], more: Partial<Report> = {}) =>
      this.#report({ jobId: job.jobId, attempt: job.attempt, what, startedAt, ...more })
    if (this.#chance.happens(0.05)) report('starting')
    if (this.#chance.happens(nature.ms > 1000 ? 0.3 : 0.1)) report('running')
    const until = nature.later && (await this.#askOutside(held, nature.later))
    await this.#world.timeline.wait(null, nature.ms, held.stopped.signal)
    this.#mustLive()
    let childFailed = nature.later !== undefined && until === undefined
    if (nature.calls && !held.stop) childFailed = !(await this.#call(key, held, nature, report))
    this.#mustLive()
    if (held.phase === 'running') this.#giveRoom(held)
    held.phase = 'ended'
    // A result that comes before the word to stop took effect wins.
    const stop = held.stop !== 'dropped' && this.#chance.happens(0.2) && !nature.calls ? null : held.stop
    const end = endOf(nature, job.attempt, stop, childFailed, until)
    if (end === 'dropped') this.#held.delete(key)
    else {
      const known = this.#world.model.job(held.task.name, job.index)
      this.#world.referee.reports(job.jobId, job.attempt, end.cause ? `failed:${end.cause}` : end.what, known)
      report(end.what, { ...end, endedAt: this.#world.timeline.clock().toISOString() })
    }
    this.#bell.ring('quiet')
  }

  /** Has its value posted by somebody outside; until when that may come. Undefined when the attempt is over. */
  async #askOutside(
    held: Held,
    { seconds, postedMs, says }: NonNullable<Nature['later']>,
  ): Promise<string | undefined> {
    const { jobId, attempt } = held.job
    const id = Number(jobId.slice(1))
    const known = this.#world.model.job(held.task.name, held.job.index)!
    const address = await this.#asJob(held, 'asks for a callback', (engine, principal) =>
      createCallback(engine, principal, id, seconds),
    )
    if (!address) return undefined
    const query = Object.fromEntries(new URL(address.path, 'http://here').searchParams)
    const text =
      says === 'value' ? `{"value":${textOf(known.nature, attempt)}}` : '{"error":{"type":"Oops","message":"no"}}'
    this.#world.timeline.spawn(async () => {
      await this.#world.timeline.sleep(postedMs)
      this.#world.referee.posts(jobId, attempt, says, known)
      const reply = await answered(
        this.#world,
        { name: 'outside', reachable: () => true },
        {
          what: `posts to ${jobId}:${attempt}`,
          safeTwice: true,
          handle: (engine) => postToCallback(engine, readCallback(engine, id, query), JSON.parse(text), text),
        },
      )
      if (!isFault(reply)) this.#world.referee.tookPost(jobId, attempt)
      else if (!['callback_expired', 'callback_over'].includes(reply.code))
        this.#world.referee.broken.push(
          `${jobId}:${attempt} was posted to, and refused: ${reply.code} ${reply.message}`,
        )
    })
    return address.expiresAt
  }

  /** Calls others and waits for them without a slot. False when any of them did not finish. */
  async #call(key: string, held: Held, nature: Nature, report: (what: Report['what']) => void): Promise<boolean> {
    const missing = new Set<string>()
    const early = new Map<string, Outcome>()
    let allFinished = true
    const hear = (outcome: Outcome) => {
      early.set(outcome.jobId, outcome)
      if (!missing.delete(outcome.jobId)) return
      if (outcome.state !== 'finished') allFinished = false
      if (missing.size === 0) this.#bell.ring(`held:${key}`)
    }
    const over = new AbortController()
    const caller = { name: `${this.#options.name}/${held.job.jobId}`, reachable: this.#hooks.reachable }
    let open = false
    const workflowId = Number(held.task.workflowId.slice(1))
    this.#world.timeline.spawn(
      () =>
        follow(
          this.#world,
          caller,
          { workflowId, scope: Number(held.job.jobId.slice(1)), signal: over.signal },
          hear,
          () => {
            open = true
            this.#bell.ring(`held:${key}`)
          },
        ),
      (error) => isFault(error),
    )
    try {
      while (!open) await this.#rung(`held:${key}`, 5000)
      for (const [i, jobs] of nature.calls!.entries()) {
        const ids = await this.#submitCall(held, i, jobs, hear)
        if (!ids) return false
        for (const id of ids) if (!early.has(id)) missing.add(id)
        for (const id of ids) if (early.has(id) && early.get(id)!.state !== 'finished') allFinished = false
      }
      if (missing.size > 0 && !held.stop) {
        held.phase = 'awaiting'
        this.#giveRoom(held)
        report('awaiting')
        while (missing.size > 0 && !held.stop) await this.#heldRung(key, held, 60_000)
      }
      if (held.phase === 'awaiting' && !held.stop) {
        held.phase = 'woken'
        report('woken')
        while ((held.phase as Held['phase']) === 'woken' && !held.stop) {
          await this.#heldRung(key, held, 10_000)
          if ((held.phase as Held['phase']) === 'woken' && !held.stop) report('woken')
        }
      }
      return allFinished
    } finally {
      over.abort()
    }
  }

  async #heldRung(key: string, held: Held, ms: number): Promise<void> {
    const { rung, cancel } = this.#bell.arm([`held:${key}`])
    await this.#world.timeline.wait(rung, ms, held.stopped.signal)
    cancel()
    this.#mustLive()
  }

  /** The jobs of that call; undefined when it was refused. */
  async #submitCall(
    held: Held,
    i: number,
    natures: Nature[],
    hear: (outcome: Outcome) => void,
  ): Promise<string[] | undefined> {
    const { model } = this.#world
    const caller = model.job(held.task.name, held.job.index)!
    const name = `${held.task.name}.${held.job.index}/${i}`
    const task: ModelTask = {
      name,
      workflow: caller.task.workflow,
      jobs: [],
      parents: [],
      attempts: defaultAttempts,
      cores: 1,
      caller,
    }
    task.jobs = natures.map((nature, index) => ({ task, index, nature, parents: [] }))
    const modelled = model.addTask(task)
    const body: NewTask = {
      workflowId: held.task.workflowId as `w${number}`,
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
    const reply = await this.#asJob(held, `calls ${name}`, (engine, principal) => submitTask(engine, principal, body))
    if (!reply) return undefined
    this.#note(`${held.job.jobId} calls ${name}: ${reply.taskId} ${reply.firstJobId}${reply.known ? ' (known)' : ''}`)
    modelled.id = reply.taskId
    nameJobs(modelled, 0, natures.length, reply.firstJobId!)
    // A call that the journal knew may have ended before this attempt listened.
    if (reply.known) {
      const id = Number(reply.taskId.slice(1))
      const page = await this.#asJob(held, `looks at ${reply.taskId}`, (engine, principal) =>
        listOutcomes(engine, principal, id, { limit: 200 }),
      )
      if (!page) return undefined
      for (const outcome of page.items) hear(outcome)
    }
    return modelled.jobs.map((job) => job.id!)
  }

  /** With the token of the payload; undefined when it is refused, which is the end of the payload. */
  async #asJob<T>(
    held: Held,
    what: string,
    handle: (engine: Parameters<Request<T>['handle']>[0], principal: Principal) => Promise<T>,
  ): Promise<T | undefined> {
    const caller = {
      name: this.#options.name,
      reachable: () => this.#hooks.reachable() && !this.#dead.signal.aborted,
    }
    const reply = await answered(
      this.#world,
      caller,
      {
        what: `${held.job.jobId} ${what}`,
        handle: async (engine) => handle(engine, await authenticate(engine, `Bearer ${held.job.token}`)),
      },
      this.#sleep,
    )
    if (!isFault(reply)) return reply as T
    if (!['unauthenticated', 'workflow_ended'].includes(reply.code))
      this.#world.referee.broken.push(`${held.job.jobId} ${what} was refused: ${reply.code} ${reply.message}`)
    return undefined
  }

  #report(report: Report): void {
    this.#reports.push(report)
    this.#bell.ring('reports')
  }

  async #reportForEver(): Promise<void> {
    for (;;) {
      if (this.#reports.length === 0) await this.#rung('reports', 60_000)
      if (this.#chance.happens(0.7)) await this.#sleep(this.#chance.around(200))
      const n = Math.min(this.#reports.length, this.#chance.whole(1, 200))
      if (n === 0) continue
      const batch = this.#reports.slice(0, n)
      const reply = await this.#post(batch)
      this.#reports.splice(0, n)
      batch.forEach((report, i) => {
        this.#acknowledge(report, reply.answers[i]!)
      })
      await this.#reportAgain()
    }
  }

  #post(reports: Report[]): Promise<ReportsReply> {
    return this.#ask({
      what: `reports ${reports.map((r) => `${r.jobId}:${r.attempt} ${r.what}`).join(', ')}`,
      safeTwice: true,
      handle: (engine) => reportJobs(engine, this.#principal, this.#pilotId, this.#epoch, reports),
    })
  }

  #acknowledge(report: Report, { answer, state }: ReportsReply['answers'][number]): void {
    const key = `${report.jobId}:${report.attempt}`
    this.#note(`${key} ${report.what}: ${answer} (${state})`)
    if (answer === 'unknown') this.#world.referee.broken.push(`${report.jobId} is unknown to the server`)
    if (report.what === 'woken' && answer === 'stale' && ['sent', 'starting', 'running'].includes(state ?? ''))
      this.#resume(key)
    if (!isEnd(report)) return
    this.#held.delete(key)
    this.#acknowledged.push(report)
    if (this.#acknowledged.length > 20) this.#acknowledged.shift()
    this.#bell.ring('quiet')
  }

  /** What was acknowledged is told once more, and otherwise: it must change nothing. */
  async #reportAgain(): Promise<void> {
    if (this.#acknowledged.length === 0 || !this.#chance.happens(this.#world.plan.faults.reportedAgain)) return
    const { jobId, attempt } = this.#chance.pick(this.#acknowledged)
    const what = this.#chance.pick([
      'finished',
      'deferred',
      'failed',
      'running',
      'awaiting',
      'woken',
      'returned',
      'cancelled',
    ] as const)
    const until = this.#world.timeline.clock().toISOString()
    const { answers } = await this.#post([
      { jobId, attempt, what, value: { text: '"told twice"' }, until, cause: 'user' },
    ])
    if (answers[0]!.answer === 'moved')
      this.#world.referee.broken.push(`${jobId}:${attempt} was over, and still moved when ${what} was told of it`)
  }

  async #renewForEver(): Promise<void> {
    for (;;) {
      await this.#sleep(this.#renewMs)
      const first = await this.#renew(false)
      const settled = first.matches ? first : await this.#renew(true)
      for (const { jobId, attempt } of settled.drop) {
        this.#note(`drops ${jobId}:${attempt}`)
        this.#stop(`${jobId}:${attempt}`, 'dropped')
      }
      for (const { jobId, attempt } of settled.cancel) this.#stop(`${jobId}:${attempt}`, 'cancelled')
    }
  }

  #renew(withList: boolean) {
    const list = [...this.#held.values()].map(({ job }) => ({ jobId: job.jobId, attempt: job.attempt }))
    const body = { epoch: this.#epoch, held: digestOf(list), ...(withList ? { list, nextClaim: this.#nextClaim } : {}) }
    return this.#ask({
      what: withList ? `renews with ${list.map((h) => `${h.jobId}:${h.attempt}`).join(' ')}` : 'renews',
      handle: (engine) => renewPilot(engine, this.#principal, this.#pilotId, body),
    })
  }

  /** Ends in order: what runs may end for a while, the rest goes back; when the server does not answer it goes without a word. */
  async #leave(): Promise<void> {
    const began = this.#world.timeline.now
    const graceMs = this.#chance.between(0, 20_000)
    for (const [key, held] of this.#held) if (held.phase !== 'running') this.#stop(key, 'returned')
    while (this.#held.size > 0 && this.#world.timeline.now - began < graceMs) await this.#rung('quiet', 1000)
    for (const key of this.#held.keys()) this.#stop(key, 'returned')
    while (this.#held.size > 0 && this.#world.timeline.now - began < graceMs + 10_000) await this.#rung('quiet', 1000)
    if (!this.registered) return this.end()
    this.#world.timeline.spawn(async () => {
      await this.#world.timeline.sleep(30_000)
      this.end()
    })
    await this.#ask({
      what: 'leaves',
      safeTwice: true,
      handle: (engine) => leavePilot(engine, this.#principal, this.#pilotId, this.#epoch),
    })
    this.#note('has left')
    this.end()
  }
}

const defaultAttempts = { user: 1, site: 3, lost: 5 }

const isEnd = ({ what }: Report): boolean => ['finished', 'deferred', 'failed', 'cancelled', 'returned'].includes(what)

const memoryOf = ({ job, task }: Pick<Held, 'job' | 'task'>): number | null => job.memoryMb ?? task.memoryMb

type End = Pick<Report, 'what' | 'value' | 'until' | 'cause' | 'error'>

const endOf = (
  nature: Nature,
  attempt: number,
  stop: Stop | null,
  childFailed: boolean,
  until: string | undefined,
): End | 'dropped' => {
  if (stop === 'dropped') return 'dropped'
  if (stop) return { what: stop }
  const cause = childFailed ? 'user' : failureOf(nature, attempt)
  if (cause) return { what: 'failed', cause, error: { type: 'Oops', message: `it fails: ${cause}` } }
  if (until !== undefined) return { what: 'deferred', until }
  return { what: 'finished', value: { text: textOf(nature, attempt) } }
}
