import type { Claim, ClaimReply, Report, ReportsReply } from '../../../src/contract/pilots.ts'
import { isFault } from '../../../src/lib/fault.ts'
import { digestOf } from '../../../src/pilot/thread/lease.ts'
import type { Principal } from '../../../src/services/access/authenticate.ts'
import { claimJobs } from '../../../src/services/pilots/claimJobs.ts'
import { leavePilot, registerPilot, renewPilot } from '../../../src/services/pilots/pilots.ts'
import { reportJobs } from '../../../src/services/pilots/reportJobs.ts'
import type { Chance } from '../chance.ts'
import type { Caller, Request } from '../network.ts'
import { answered, type World } from '../world.ts'
import { HeldJobs, keyOf, memoryOf } from './held.ts'
import type { Host } from './host.ts'
import type { PilotOptions } from './pilot.ts'
import { Reports } from './reports.ts'
import { runPayload } from './runPayload.ts'
import { LifeOver, Threads } from './threads.ts'

type Hooks = {
  reachable: () => boolean
  nextStart: () => number
  registered: (pilotId: number) => void
  over: () => void
}

/** One start of a pilot: what it knows is gone with it. */
export class Life {
  readonly #world: World
  readonly #chance: Chance
  readonly #options: PilotOptions
  readonly #principal: Principal
  readonly #hooks: Hooks
  readonly #caller: Caller
  readonly #threads: Threads
  readonly #held: HeldJobs
  readonly #reports: Reports
  readonly #host: Host
  #pilotId = 0
  #epoch = 0
  #renewMs = 15_000
  #leaving = false
  #nextClaim = 1

  constructor(world: World, chance: Chance, options: PilotOptions, principal: Principal, hooks: Hooks) {
    const { name } = options
    const threads = new Threads(world.timeline)
    const held = new HeldJobs(threads)
    const caller = { name, reachable: () => hooks.reachable() && !threads.areOver }
    const reports = new Reports({ world, chance, name, threads, held, post: (some) => this.#post(some) })
    this.#world = world
    this.#chance = chance
    this.#options = options
    this.#principal = principal
    this.#hooks = hooks
    this.#caller = caller
    this.#threads = threads
    this.#held = held
    this.#reports = reports
    this.#host = { world, chance, caller, reachable: hooks.reachable, threads, held, reports }
  }

  get registered(): boolean {
    return this.#epoch > 0
  }

  begin(): void {
    this.#threads.spawn(async () => {
      await this.#register()
      this.#threads.spawn(() => this.#claimForEver())
      this.#threads.spawn(() => this.#renewForEver())
      this.#threads.spawn(() => this.#reports.postForEver())
    })
  }

  end(): void {
    if (this.#threads.areOver) return
    this.#hooks.over()
    this.#threads.end()
  }

  leave(): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#note('leaves')
    this.#threads.ring('freed')
    this.#threads.spawn(() => this.#leave())
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
      const cores = Math.max(0, this.#options.slots - this.#held.taken.cores)
      if (cores === 0) await this.#threads.rung('freed', 2000)
      const claim = this.#claimFor(cores)
      const reply = await this.#ask({
        what: `claim ${claim.claimSeq} of ${cores}`,
        safeTwice: true,
        handle: (engine, server) => claimJobs(engine, this.#principal, this.#pilotId, claim, server.gone),
      })
      this.#take(claim, reply)
      if (this.#chance.happens(0.2)) await this.#threads.sleep(this.#chance.around(200))
    }
  }

  #claimFor(cores: number): Claim {
    const { memoryMb, gpus } = this.#options
    const { taken } = this.#held
    return {
      epoch: this.#epoch,
      claimSeq: this.#nextClaim,
      cores,
      jobs: this.#chance.happens(0.2) ? this.#chance.whole(0, cores) : cores,
      waitSeconds: this.#waitSeconds(cores),
      gpus: Math.max(0, gpus - taken.gpus),
      ...(memoryMb ? { memoryMb: Math.max(0, memoryMb - taken.memoryMb) } : {}),
    }
  }

  /** `src/pilot` takes an open claim back when a GPU comes free, and asks for that too; this one waits less while some are taken. */
  #waitSeconds(cores: number): number {
    if (cores === 0) return 1
    return this.#chance.pick(this.#held.taken.gpus > 0 ? [0, 1, 2] : [0, 2, 20])
  }

  #take(claim: Claim, reply: ClaimReply): void {
    const words = [
      ...reply.jobs.map((job) => keyOf(job)),
      ...reply.resumed.map((job) => `resumed ${keyOf(job)}`),
      ...reply.cancel.map((job) => `cancel ${keyOf(job)}`),
    ]
    this.#note(`claim ${claim.claimSeq} of ${claim.cores} got ${words.join(' ') || 'nothing'}`)
    this.#world.referee.claimed(this.#options.name, claim, reply)
    this.#takeNew(reply)
    for (const job of reply.resumed) this.#held.resume(keyOf(job))
    for (const job of reply.cancel) this.#held.stop(keyOf(job), 'cancelled')
  }

  #takeNew(reply: ClaimReply): void {
    const tasks = new Map(reply.tasks.map((task) => [task.taskId, task]))
    for (const job of reply.jobs) {
      const task = tasks.get(job.taskId)
      const held = task && this.#held.take(job, task)
      if (!held) continue
      this.#world.referee.took(job.jobId, job.attempt, memoryOf(held))
      this.#threads.spawn(() => runPayload(this.#host, held))
    }
  }

  async #renewForEver(): Promise<void> {
    for (;;) {
      await this.#threads.sleep(this.#renewMs)
      const first = await this.#renew(false)
      const settled = first.matches ? first : await this.#renew(true)
      for (const job of settled.drop) {
        this.#note(`drops ${keyOf(job)}`)
        this.#held.stop(keyOf(job), 'dropped')
      }
      for (const job of settled.cancel) this.#held.stop(keyOf(job), 'cancelled')
    }
  }

  #renew(withList: boolean) {
    const list = [...this.#held.all()].map(({ job }) => ({ jobId: job.jobId, attempt: job.attempt }))
    const body = { epoch: this.#epoch, held: digestOf(list), ...(withList ? { list, nextClaim: this.#nextClaim } : {}) }
    return this.#ask({
      what: withList ? `renews with ${list.map(keyOf).join(' ')}` : 'renews',
      handle: (engine) => renewPilot(engine, this.#principal, this.#pilotId, body),
    })
  }

  #post(reports: Report[]): Promise<ReportsReply> {
    return this.#ask({
      what: `reports ${reports.map((report) => `${keyOf(report)} ${report.what}`).join(', ')}`,
      safeTwice: true,
      handle: (engine) => reportJobs(engine, this.#principal, this.#pilotId, this.#epoch, reports),
    })
  }

  /** Ends in order: what runs may end for a while, the rest goes back; when the server does not answer it goes without a word. */
  async #leave(): Promise<void> {
    const { timeline } = this.#world
    const began = timeline.now
    const graceMs = this.#chance.between(0, 20_000)
    for (const { key, phase } of this.#held.all()) if (phase !== 'running') this.#held.stop(key, 'returned')
    while (this.#held.size > 0 && timeline.now - began < graceMs) await this.#threads.rung('quiet', 1000)
    for (const { key } of this.#held.all()) this.#held.stop(key, 'returned')
    while (this.#held.size > 0 && timeline.now - began < graceMs + 10_000) await this.#threads.rung('quiet', 1000)
    if (!this.registered) return this.end()
    timeline.spawn(async () => {
      await timeline.sleep(30_000)
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

  /** The answer; a pilot that was replaced ends. */
  async #ask<T>(request: Request<T>): Promise<T> {
    const reply = await answered(this.#world, this.#caller, request, this.#threads.sleep)
    this.#threads.mustLive()
    if (!isFault(reply)) return reply as T
    if (reply.code !== 'pilot_replaced' && reply.code !== 'pilot_unknown')
      this.#world.referee.broken.push(
        `${this.#options.name} ${request.what} was refused: ${reply.code} ${reply.message}`,
      )
    this.end()
    throw new LifeOver()
  }

  #note(what: string): void {
    this.#world.chronicle.note(this.#options.name, what)
  }
}
