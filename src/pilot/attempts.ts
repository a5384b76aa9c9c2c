import { stopsTask } from '../contract/jobs.ts'
import type { ClaimedTask, ClaimReply, Report, ReportsReply } from '../contract/pilots.ts'
import type { Told } from '../contract/runner.ts'
import type { CoursePoint } from '../contract/told.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { noTracer, type Tracer } from '../lib/trace.ts'
import { Attempt, type Desk, type Leader, type Phase, type Stop, takesSlot } from './attempt.ts'
import { AttemptTrace } from './attemptTrace.ts'
import { Devices } from './devices.ts'
import { failedBy, type Outcome } from './failure.ts'
import { attemptKey, JobOutput } from './jobOutput.ts'
import type { LogOutbox } from './logOutbox.ts'
import { noPilotMetrics, type PilotMetrics } from './metrics.ts'
import { Pace } from './pace.ts'
import type { Skipped } from './runFunction.ts'
import { hiddenOf } from './taskSecrets.ts'

type Answer = ReportsReply['answers'][number]
type Named = { jobId: string; attempt: number }

export type AttemptsOptions = {
  slots: number
  memoryMb: number | undefined
  /** Names of the GPUs that jobs may have. */
  gpus: readonly string[]
  maxLogBytes: number
  clock: Clock
  log: Log
  metrics?: PilotMetrics
  tracer?: Tracer
  logs: LogOutbox
  /** A task as it is run here; as it came when left out. */
  asRunHere?(task: ClaimedTask): ClaimedTask
  /** Runs payloads of one task to their ends, one after the other. One that did not begin comes back as skipped. */
  run(attempts: [Attempt, ...Attempt[]]): Promise<Outcome | Skipped>[]
  /** Whether an attempt may be given along with another of its task. */
  canFollow(attempt: Attempt): boolean
  /** Resolves when the server has answered; null when it never will. */
  report(report: Report): Promise<Answer | null>
  /** What a job says of itself, on its way to the server. */
  tell(attempt: Attempt, told: Told): void
  /** What it has used until now. */
  tellCourse(attempt: Attempt, points: CoursePoint[]): void
  /** What an attempt uses over time is told of those that run so long, and no more often, s; ten when left out. */
  courseSeconds?: number
  watch(key: string, leader: Leader, limitMb: number | null): void
  unwatch(key: string): void
  /** Cores are free that were not. */
  onFree(): void
}

/** How often each attempt is looked at, for what follows from time alone, ms. */
const lookMs = 50

/** A job claimed ahead waits so long for a core at most, ms. */
const stuckMs = 1000

/**
 * All attempts that this pilot holds, and its slots. A claim may bring more than there are cores for (jobs claimed ahead, a job resumed while its
 * cores are others'): then they wait here, first come, first served, resumed ones first.
 */
export class Attempts {
  readonly #options: AttemptsOptions
  readonly #held = new Map<string, Attempt>()
  readonly #desk: Desk
  readonly #devices: Devices
  readonly #lookTimer: NodeJS.Timeout
  readonly #pace = new Pace()
  #queue: Attempt[] = []
  /** Those that wait in a runner, behind another. */
  readonly #ahead = new Set<Attempt>()
  #coresTaken = 0
  #memoryTaken = 0
  #live = 0
  #whenQuiet: (() => void)[] = []
  #freed: NodeJS.Immediate | undefined

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#devices = new Devices(options.gpus)
    this.#desk = {
      clock: options.clock,
      report: (report) => void this.#reportMove(report),
      tell: options.tell,
      tellCourse: options.tellCourse,
      moved: (attempt, from) => this.#account(attempt, from),
      unwatch: (attempt) => options.unwatch(attempt.key),
      watch: (attempt, leader) => options.watch(attempt.key, leader, attempt.memoryMb),
    }
    this.#lookTimer = setInterval(() => {
      for (const attempt of this.#held.values()) attempt.look()
      this.#returnStuck()
    }, lookMs).unref()
  }

  /**
   * Cores to claim for: those that are free, and a few ahead when jobs are short. Less than half of what is held ahead is not worth a claim of its own.
   */
  get room(): number {
    const { slots } = this.#options
    const waitAhead = [...this.#ahead].filter(({ phase }) => phase === 'waiting')
    const promised = [...this.#queue, ...waitAhead].reduce((sum, { task }) => sum + task.cores, 0)
    const free = slots - this.#coresTaken - promised
    const ahead = this.#pace.ahead(slots)
    return free > 0 || free + ahead >= ahead / 2 ? Math.max(0, free + ahead) : 0
  }

  get freeMemoryMb(): number | undefined {
    const { memoryMb } = this.#options
    const promised = this.#queue.reduce((sum, attempt) => sum + (attempt.memoryMb ?? 0), 0)
    return memoryMb === undefined ? undefined : Math.max(0, memoryMb - this.#memoryTaken - promised)
  }

  get freeGpus(): number | undefined {
    if (this.#devices.count === 0) return undefined
    const promised = this.#queue.reduce((sum, { task }) => sum + task.gpus, 0)
    return Math.max(0, this.#devices.free - promised)
  }

  get coresTaken(): number {
    return this.#coresTaken
  }

  /** How many are in each phase. */
  byPhase(): Map<Phase, number> {
    const counts = new Map<Phase, number>()
    for (const { phase } of this.#held.values()) counts.set(phase, (counts.get(phase) ?? 0) + 1)
    return counts
  }

  /** What the lease is renewed for: everything whose end the server has not yet acknowledged. */
  list(): Named[] {
    return [...this.#held.values()].map(({ job: { jobId, attempt } }) => ({ jobId, attempt }))
  }

  /** Takes what a claim brought; tells whether any of it was new. */
  take(reply: ClaimReply): boolean {
    const { log, logs, maxLogBytes, tracer = noTracer, asRunHere = (task) => task } = this.#options
    const tasks = new Map(reply.tasks.map((task) => [task.taskId, asRunHere(task)]))
    let fresh = false
    for (const job of reply.jobs) {
      const task = tasks.get(job.taskId)
      if (!task)
        log.error(
          { jobId: job.jobId, taskId: job.taskId },
          'the claim brought a job without its task; it goes back with the next renewal',
        )
      if (!task || this.#held.has(attemptKey(job.jobId, job.attempt))) continue
      const attempt = new Attempt({
        job,
        task,
        output: new JobOutput(job.jobId, job.attempt, logs, maxLogBytes, hiddenOf(task)),
        desk: this.#desk,
        devices: this.#devices.count > 0 ? [] : null,
        trace: task.trace === undefined ? undefined : new AttemptTrace(tracer, job, task.trace),
        courseSeconds: this.#options.courseSeconds,
      })
      this.#held.set(attempt.key, attempt)
      this.#live++
      this.#queue.push(attempt)
      fresh = true
    }
    for (const named of reply.resumed) fresh = this.#resume(named) || fresh
    for (const named of reply.cancel) fresh = this.stop(named, { why: 'cancelled', graceMs: cancelGraceMs }) || fresh
    this.#startWhatFits()
    return fresh
  }

  /** Tells whether it was there to be stopped, and is now for the first time. */
  stop({ jobId, attempt }: Named, stop: Stop): boolean {
    const held = this.#held.get(attemptKey(jobId, attempt))
    return held !== undefined && this.#stopHeld(held, stop)
  }

  overMemory(key: string, usedMb: number): void {
    const held = this.#held.get(key)
    if (!held) return
    const message = `it used ${Math.round(usedMb)} MB; its limit is ${held.memoryMb} MB (memoryMb)`
    this.#stopHeld(held, { why: 'memory', graceMs: 0, message })
  }

  measured(key: string, memoryMb: number, cpuSeconds: number): void {
    this.#held.get(key)?.uses(memoryMb, cpuSeconds)
  }

  /** Gives back what does not compute now: it could only be in the way of an end that is near. */
  returnIdle(): void {
    for (const held of this.#held.values())
      if (held.phase !== 'running') this.#stopHeld(held, { why: 'returned', graceMs: cancelGraceMs })
  }

  stopAll(stop: Stop): void {
    for (const held of this.#held.values()) this.#stopHeld(held, stop)
  }

  /** Resolves when nothing runs or waits here any more; reports may still be on their way. */
  quiet(): Promise<void> {
    if (this.#live === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenQuiet.push(resolve))
  }

  close(): void {
    clearInterval(this.#lookTimer)
  }

  #resume({ jobId, attempt }: Named): boolean {
    const held = this.#held.get(attemptKey(jobId, attempt))
    if (held?.phase !== 'woken' || this.#queue.includes(held)) return false
    this.#queue.unshift(held)
    return true
  }

  #stopHeld(held: Attempt, stop: Stop): boolean {
    if (!held.stopFor(stop)) return false
    if (held.phase !== 'waiting' || this.#ahead.has(held)) return true
    this.#queue = this.#queue.filter((one) => one !== held)
    void this.#end(held, { what: 'returned' })
    return true
  }

  #startWhatFits(): void {
    const { slots } = this.#options
    for (let at = this.#firstInLine(); at >= 0; at = this.#firstInLine()) {
      const first = this.#queue[at]!
      if (this.#coresTaken > 0 && this.#coresTaken + first.task.cores > slots) return
      this.#queue.splice(at, 1)
      if (first.phase === 'woken') first.resumes()
      else this.#run([first, ...this.#followers(first)])
    }
  }

  /** Who waits for his own GPUs, which were lent meanwhile, keeps nobody from the cores. */
  #firstInLine(): number {
    return this.#queue.findIndex((attempt) => this.#devices.areFreeFor(attempt))
  }

  /**
   * The next in line of the same task, when jobs are so short that handing over each by itself would be most of the work: as many as pass in a moment, and no
   * more than this core's part of the line.
   */
  #followers({ task }: Attempt): Attempt[] {
    const most = Math.min(this.#pace.inOneGo(), Math.ceil(this.#queue.length / (this.#options.slots / task.cores)))
    let n = 0
    for (; n < most; n++) {
      const next = this.#queue[n]
      if (next?.phase !== 'waiting' || next.task.taskId !== task.taskId || !this.#options.canFollow(next)) break
    }
    return this.#queue.splice(0, n)
  }

  /** What was claimed ahead and now waits behind a long job is given back: another core, or another pilot, may have room. */
  #returnStuck(): void {
    const longAgo = performance.now() - stuckMs
    for (const ahead of this.#ahead) if (ahead.takenMs < longAgo) ahead.comesBack()
    for (const waiting of [...this.#queue])
      if (waiting.phase === 'waiting' && waiting.takenMs < longAgo)
        this.#stopHeld(waiting, { why: 'returned', graceMs: cancelGraceMs })
  }

  #run(attempts: [Attempt, ...Attempt[]]): void {
    attempts[0].prepares()
    for (const attempt of attempts.slice(1)) this.#ahead.add(attempt)
    const outcomes = this.#options.run(attempts)
    attempts.forEach((attempt, i) => void this.#finish(attempt, outcomes[i]!))
  }

  async #finish(attempt: Attempt, coming: Promise<Outcome | Skipped>): Promise<void> {
    const outcome = await coming.catch(failedBy)
    this.#ahead.delete(attempt)
    if (outcome.what === 'skipped') return this.#putBack(attempt)
    if (attempt.phase === 'woken') await attempt.mayEnd()
    await this.#end(attempt, outcome)
  }

  #putBack(attempt: Attempt): void {
    attempt.waits()
    if (attempt.stop) return void this.#end(attempt, { what: 'returned' })
    this.#queue.unshift(attempt)
    this.#startWhatFits()
  }

  async #end(attempt: Attempt, outcome: Outcome): Promise<void> {
    const report = attempt.endReport(outcome)
    if (report?.usage?.wallSeconds !== undefined) this.#pace.ended(report.usage.wallSeconds * 1000)
    this.#note(attempt, report)
    const answered = report === null ? null : this.#options.report(report)
    if (report?.cause !== undefined && stopsTask(report.cause)) this.#returnRest(attempt.task.taskId)
    this.#startWhatFits()
    this.#tellFree()
    if (--this.#live === 0) for (const resolve of this.#whenQuiet.splice(0)) resolve()
    await answered
    attempt.trace?.reported(report?.error?.type)
    this.#held.delete(attempt.key)
  }

  /** What waits of a task of which one job failed as all others would. */
  #returnRest(taskId: string): void {
    const rest = this.#queue.filter(({ phase, task }) => phase === 'waiting' && task.taskId === taskId)
    // None of them begins while the others are given back.
    this.#queue = this.#queue.filter((one) => !rest.includes(one))
    for (const waiting of rest) this.#stopHeld(waiting, { why: 'returned', graceMs: cancelGraceMs })
  }

  /** For those who watch. */
  #note({ takenMs, trace }: Attempt, report: Report | null): void {
    const { metrics = noPilotMetrics } = this.#options
    const end = report?.what ?? 'dropped'
    metrics.attempts.add(1, end)
    metrics.attemptSeconds.observe((performance.now() - takenMs) / 1000, end)
    trace?.ended(report?.error?.type)
  }

  async #reportMove(report: Report): Promise<void> {
    const answer = await this.#options.report(report)
    if (report.what !== 'woken' || answer?.answer !== 'stale') return
    // The server never saw it await (that report was refused): it counts its cores as taken, and will not offer them again.
    if (['sent', 'starting', 'running'].includes(answer.state ?? '') && this.#resume(report)) this.#startWhatFits()
  }

  #account(attempt: Attempt, from: Phase): void {
    const change = Number(attempt.takesSlot) - Number(takesSlot(from))
    if (change === 0) return
    this.#coresTaken += change * attempt.task.cores
    this.#memoryTaken += change * (attempt.memoryMb ?? 0)
    if (change > 0) this.#devices.take(attempt)
    else this.#devices.giveBack(attempt)
    if (attempt.phase !== 'awaiting') return
    this.#startWhatFits()
    this.#tellFree()
  }

  /** Once for all that ended in this turn. */
  #tellFree(): void {
    this.#freed ??= setImmediate(() => {
      this.#freed = undefined
      this.#options.onFree()
    })
  }
}

/** Between the request to end and the kill, ms. */
export const cancelGraceMs = 5000
