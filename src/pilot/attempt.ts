import type { Usage } from '../contract/jobs.ts'
import type { ClaimedJob, ClaimedTask, Report } from '../contract/pilots.ts'
import type { Told } from '../contract/runner.ts'
import type { CoursePoint } from '../contract/told.ts'
import type { Clock } from '../lib/clock.ts'
import { StopWatch } from '../lib/stopWatch.ts'
import type { AttemptTrace } from './attemptTrace.ts'
import { Course } from './course.ts'
import { type Failed, failed, type Outcome } from './failure.ts'
import { attemptKey, type JobOutput } from './jobOutput.ts'

/**
 * `waiting` for free cores here, `preparing` what it needs, `running`, `awaiting` calls of its own (its cores are others' then), `woken` and asking for
 * cores again, `ended`: only the report of its end is still on its way.
 */
export type Phase = 'waiting' | 'preparing' | 'running' | 'awaiting' | 'woken' | 'ended'

/** Why an attempt is ended from outside, and how long its processes have between the request to end and the kill, ms. */
export type Stop =
  | { why: 'cancelled' | 'returned' | 'dropped'; graceMs: number }
  | { why: 'memory' | 'walltime'; graceMs: number; message: string }

/** The process that leads those of a payload; `apart`: a file with the number of another one, which is no descendant of it. */
export type Leader = { pid: number | undefined; apart?: string | undefined }

/** What an attempt tells its pilot. */
export type Desk = {
  clock: Clock
  report(report: Report): void
  /** What it says of itself. */
  tell(attempt: Attempt, told: Told): void
  /** What it has used until now. */
  tellCourse(attempt: Attempt, points: CoursePoint[]): void
  /** Its phase changed, and with it perhaps the cores, memory and GPUs it takes. */
  moved(attempt: Attempt, from: Phase): void
  /** Its processes are to be measured, from now on or no longer. */
  watch(attempt: Attempt, leader: Leader): void
  unwatch(attempt: Attempt): void
}

/** How its processes are ended, and told that they have cores again; how it is had back from where it waits behind another. */
export type Reins = { stop(stop: Stop): void; resume(): void; giveBack(): void }

/** Shorter jobs are only reported at their end, ms. Long enough that a crowd of tiny ones costs one report each, short enough for a person who looks. */
const noticeMs = 300

/** Jobs with a memory limit are measured from so early on, ms. Not at once: that would cost a trivial job a tenth of its time. */
const limitedMs = 50

/** The answer that gives a slot back may be lost: who still waits for his says so again, and is told that he has it, ms. */
const askAgainMs = 5000

/** An attempt of a job that this pilot holds, from the claim until the server has acknowledged its end. */
export class Attempt {
  readonly key: string
  readonly job: ClaimedJob
  readonly task: ClaimedTask
  readonly output: JobOutput
  /** For tasks that were submitted within a trace. */
  readonly trace: AttemptTrace | undefined
  /** Resolves when it is to end. */
  readonly stopping: Promise<void>
  /** The limit of its memory, MB; null when it has none. */
  readonly memoryMb: number | null
  /** When it was claimed, by `performance.now`. */
  readonly takenMs = performance.now()
  usage: Usage = {}
  /** Its GPUs, by name; null on a pilot that has none to give. */
  devices: readonly string[] | null

  readonly #desk: Desk
  readonly #course: Course
  #phase: Phase = 'waiting'
  #stop: Stop | null = null
  #resolveStopping = () => {}
  #startedAt: Date | null = null
  #startedMs = 0
  #leader: Leader = { pid: undefined }
  #reins: Reins | undefined
  /** When it came into its phase, and whether the server was told, by `performance.now`. */
  #phaseMs = performance.now()
  #told = false
  #measured = false
  #watched = false
  #askedBack = false
  #resolveResumed = () => {}
  #resumed: Promise<void> = Promise.resolve()
  /** Time in a slot: what its limit is over. */
  readonly #inSlot = new StopWatch()

  constructor({
    job,
    task,
    output,
    desk,
    devices = null,
    trace,
    courseSeconds = 10,
  }: {
    job: ClaimedJob
    task: ClaimedTask
    output: JobOutput
    desk: Desk
    devices?: readonly string[] | null
    trace?: AttemptTrace
    /** What an attempt uses over time is told of those that run so long, and no more often, s. */
    courseSeconds?: number
  }) {
    this.trace = trace
    this.key = attemptKey(job.jobId, job.attempt)
    this.job = job
    this.task = task
    this.memoryMb = job.memoryMb ?? task.memoryMb
    this.output = output
    this.devices = devices
    this.#desk = desk
    this.#course = new Course(courseSeconds)
    this.stopping = new Promise((resolve) => {
      this.#resolveStopping = resolve
    })
  }

  get phase(): Phase {
    return this.#phase
  }

  get stop(): Stop | null {
    return this.#stop
  }

  /** Whether its cores and memory are taken. */
  get takesSlot(): boolean {
    return takesSlot(this.#phase)
  }

  prepares(): void {
    this.#enter('preparing')
  }

  /** Its payload will run where these reins lead. */
  goesTo(reins: Reins): void {
    this.#reins = reins
    if (this.#stop) this.#rein(this.#stop)
  }

  /** It waits in a runner, behind a job that takes longer than was thought. */
  comesBack(): void {
    if (this.#phase !== 'waiting' || this.#askedBack || !this.#reins) return
    this.#askedBack = true
    this.#reins.giveBack()
  }

  #rein(stop: Stop): void {
    if (this.#phase === 'waiting') this.comesBack()
    else this.#reins?.stop(stop)
  }

  /** It came back. */
  waits(): void {
    this.#reins = undefined
    this.#askedBack = false
  }

  /** Its payload runs now. */
  started(leader: Leader): void {
    this.#startedAt = this.#desk.clock()
    this.#startedMs = performance.now()
    this.#leader = leader
    this.#enter('running')
    this.trace?.runs()
    this.#inSlot.go()
  }

  /** What follows from time alone; to be called every so often. */
  look(): void {
    const ms = performance.now() - this.#phaseMs
    if (this.#phase === 'woken' && ms >= askAgainMs) {
      this.#phaseMs += askAgainMs
      this.#report({ what: 'woken' })
    }
    if (!this.takesSlot) return
    if (!this.#told && ms >= noticeMs) {
      this.#told = true
      this.#report({ what: this.#phase === 'preparing' ? 'starting' : 'running' })
    }
    if (this.#phase !== 'running') return
    if (!this.#measured && this.#inSlot.ms >= (this.memoryMb === null ? noticeMs : limitedMs)) this.#watch()
    this.#checkWallTime()
  }

  tells(told: Told): void {
    this.#desk.tell(this, told)
  }

  /** What its processes use now, and have used since they were measured first. */
  uses(memoryMb: number, cpuSeconds: number): void {
    this.usage = {
      maxRssMb: Math.max(this.usage.maxRssMb ?? 0, memoryMb),
      cpuSeconds: Math.max(this.usage.cpuSeconds ?? 0, cpuSeconds),
    }
    if (!this.#watched) return
    this.#course.add({ seconds: (performance.now() - this.#startedMs) / 1000, memoryMb, cpuSeconds })
    this.#tellCourse(this.#course.due())
  }

  awaits(): void {
    if (this.#phase !== 'running' || this.#stop) return
    this.#inSlot.halt()
    this.#report({ what: 'awaiting' })
    this.#enter('awaiting')
  }

  wakes(): void {
    if (this.#phase !== 'awaiting' || this.#stop) return
    this.#report({ what: 'woken' })
    this.#resumed = new Promise((resolve) => {
      this.#resolveResumed = resolve
    })
    this.#enter('woken')
  }

  resumes(): void {
    if (this.#phase !== 'woken') return
    this.#enter('running')
    this.#told = true
    this.#inSlot.go()
    this.#reins?.resume()
    this.#resolveResumed()
  }

  /**
   * A payload may end although it has asked for its slot back and not got it yet (it no longer waits for what it awaited). To the server such a job is in a
   * lane, where it cannot finish: its end is told once it has its slot.
   */
  async mayEnd(): Promise<void> {
    if (this.#phase === 'woken') await Promise.race([this.#resumed, this.stopping])
  }

  /** Its payload has ended; what is still to do, such as storing a large result, is not under its limits. */
  computed(): void {
    this.#inSlot.halt()
    this.#measured = true
    if (this.#watched) this.#desk.unwatch(this)
    this.#watched = false
  }

  /** Ends it from outside, and tells whether that is new. A later word may only shorten the time, or take the attempt away altogether. */
  stopFor(stop: Stop): boolean {
    if (this.#phase === 'ended' || (this.#stop && stop.graceMs >= this.#stop.graceMs)) return false
    this.#stop = this.#stop && stop.why !== 'dropped' ? { ...this.#stop, graceMs: stop.graceMs } : stop
    this.#resolveStopping()
    this.#rein(stop)
    return true
  }

  /** The limit is over time in a slot: the clock stands still while it awaits calls of its own. */
  #checkWallTime(): void {
    const { wallSeconds } = this.task
    if (wallSeconds === null || this.#inSlot.ms < wallSeconds * 1000) return
    this.stopFor({
      why: 'walltime',
      graceMs: 0,
      message: `it ran for ${wallSeconds} s, which is its limit (wallSeconds)`,
    })
  }

  /**
   * What its last report says, once `outcome` is all that happened; null when it is not ours to report. A result that came before the stop took effect wins, and so does the
   * word that it is to come from outside: whoever is to post it has been told.
   */
  endReport(outcome: Outcome): Report | null {
    this.computed()
    const isDone = outcome.what === 'finished' || outcome.what === 'deferred'
    const told = this.#stop && !isDone ? outcomeOf(this.#stop) : outcome
    const dropped = told.what === 'dropped' || this.#stop?.why === 'dropped'
    this.#enter('ended')
    if (dropped) return null
    const report = this.#reportOf(told.what as Exclude<Outcome['what'], 'dropped'>)
    report.endedAt = this.#desk.clock().toISOString()
    if (told.what === 'finished') report.value = told.value
    else if (told.what === 'deferred') report.until = told.until
    else if (told.what === 'failed') tellFailure(report, told)
    if (this.#startedAt) report.usage = this.#usageWith('usage' in told ? told.usage : undefined)
    this.#tellCourse(this.#course.whole())
    return report
  }

  #enter(phase: Phase): void {
    const from = this.#phase
    this.#phase = phase
    this.#phaseMs = performance.now()
    this.#told = false
    this.#desk.moved(this, from)
  }

  #watch(): void {
    this.#measured = true
    if (this.#leader.pid === undefined) return
    this.#watched = true
    this.#desk.watch(this, this.#leader)
  }

  #tellCourse(points: CoursePoint[] | null): void {
    if (points) this.#desk.tellCourse(this, points)
  }

  #report({ what }: Pick<Report, 'what'>): void {
    this.#desk.report(this.#reportOf(what))
  }

  #reportOf(what: Report['what']): Report {
    const report: Report = { jobId: this.job.jobId, attempt: this.job.attempt, what }
    if (this.#startedAt) report.startedAt = this.#startedAt.toISOString()
    return report
  }

  /** A runner knows its own use exactly, the meter that of its children too, but only now and then: the larger is nearer to the truth. */
  #usageWith(told: Usage | undefined): Usage {
    return {
      wallSeconds: told?.wallSeconds ?? (performance.now() - this.#startedMs) / 1000,
      cpuSeconds: larger(told?.cpuSeconds, this.usage.cpuSeconds),
      maxRssMb: larger(told?.maxRssMb, this.usage.maxRssMb),
    }
  }
}

const tellFailure = (report: Report, { cause, error, exitCode, signal }: Failed): void => {
  report.cause = cause
  report.error = error
  if (exitCode !== undefined) report.exitCode = exitCode
  if (signal !== undefined) report.signal = signal
}

export const takesSlot = (phase: Phase): boolean => phase === 'preparing' || phase === 'running'

const outcomeOf = (stop: Stop): Outcome => {
  if (stop.why === 'memory') return failed('memory', 'MemoryLimit', stop.message)
  if (stop.why === 'walltime') return failed('walltime', 'TimeLimit', stop.message)
  return { what: stop.why }
}

const larger = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
