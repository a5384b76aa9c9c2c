import type { Claim, ClaimReply } from '../../src/contract/pilots.ts'
import type { Model, ModelJob } from './model.ts'
import { argsOf } from './payload.ts'

/** Of virtual time, ms. */
export type Stretch = { from: number; to: number }

/** A pilot that has been in touch for so long has renewed its lease, ms (it does so every 15 s, and each second after a try that failed). */
const settledMs = 20_000

/** What is shorter than the pause between two notes of hearing is no outage, and is not taken off anybody's silence, ms. */
const outageMs = 10_000

/** What really happened at the pilots, and what they saw that may not be: the server's rows are judged by it. */
export class Referee {
  readonly #model: Model
  readonly #now: () => number
  readonly #deaf: readonly Stretch[]
  readonly broken: string[] = []
  /** When each pilot was alive and not cut off. */
  readonly #inTouch = new Map<number, Stretch[]>()
  /** Jobs of which an end was reported as finished, whether the server heard it or not. */
  readonly #finished = new Set<ModelJob>()
  /** What each attempt came to, as its pilot knows it. */
  readonly #ends = new Map<string, Set<string>>()
  /** Attempts that reached a pilot, and what memory they could have there, MB. */
  readonly #taken = new Map<string, number | null>()
  /** What was posted for an attempt from outside, and whether the server is known to have taken it. */
  readonly #posts = new Map<string, { says: 'value' | 'error'; isTaken: boolean }>()

  constructor(model: Model, now: () => number, deaf: readonly Stretch[]) {
    this.#model = model
    this.#now = now
    this.#deaf = deaf
  }

  inTouch(pilotId: number): void {
    const stretches = this.#inTouch.get(pilotId) ?? []
    this.#inTouch.set(pilotId, stretches)
    const last = stretches.at(-1)
    if (!last || last.to !== Number.POSITIVE_INFINITY)
      stretches.push({ from: this.#now(), to: Number.POSITIVE_INFINITY })
  }

  outOfTouch(pilotId: number): void {
    const last = this.#inTouch.get(pilotId)?.at(-1)
    if (last?.to === Number.POSITIVE_INFINITY) last.to = this.#now()
  }

  /** Whether the servers must have heard the pilot at that time, or less than `withinMs` before. Outages do not count: nobody is in touch in them, and nobody silent. */
  wasHeard(pilotId: number, at: number, withinMs = 0): boolean {
    const end = this.#hearable(at)
    return (this.#inTouch.get(pilotId) ?? []).some((s) => {
      const last = this.#hearable(Math.min(s.to, at))
      return last >= end - withinMs && last - this.#hearable(s.from) >= settledMs
    })
  }

  /** That time by a clock that stands still in outages. */
  #hearable(at: number): number {
    const outages = this.#deaf.filter((s) => s.from < at && s.to - s.from > outageMs)
    return outages.reduce((left, s) => left - (Math.min(s.to, at) - s.from), at)
  }

  /** A pilot got this answer. */
  claimed(pilot: string, asked: Claim, reply: ClaimReply): void {
    const tasks = new Map(reply.tasks.map((task) => [task.taskId, task]))
    let cores = 0
    let gpus = 0
    for (const job of reply.jobs) {
      const task = tasks.get(job.taskId)
      if (!task) {
        this.broken.push(`${job.jobId} came to ${pilot} without its task`)
        continue
      }
      cores += task.cores
      gpus += task.gpus
      const known = this.#model.job(task.name, job.index)
      if (!known) {
        this.broken.push(`${job.jobId} (${task.name}.${job.index}) came to ${pilot}, and nobody submitted it`)
        continue
      }
      if (!('text' in job.args) || job.args.text !== argsOf(known.nature))
        this.broken.push(
          `${job.jobId} came to ${pilot} with other arguments than were given: ${JSON.stringify(job.args)}`,
        )
      for (const parent of known.parents) this.#mustHaveFinished(parent, job.jobId)
      for (const parentTask of known.task.parents)
        for (const parent of parentTask.jobs) this.#mustHaveFinished(parent, job.jobId)
    }
    if (cores > asked.cores || reply.jobs.length > asked.jobs)
      this.broken.push(
        `${pilot} asked for ${asked.cores} cores and ${asked.jobs} jobs, and got ${cores} and ${reply.jobs.length}`,
      )
    if (gpus > (asked.gpus ?? 0)) this.broken.push(`${pilot} asked for ${asked.gpus ?? 0} GPUs, and got ${gpus}`)
  }

  #mustHaveFinished(parent: ModelJob, childId: string): void {
    if (!this.#finished.has(parent))
      this.broken.push(`${childId} was sent before its parent ${parent.id ?? parent.task.name} had finished`)
  }

  took(jobId: string, attempt: number, memoryMb: number | null): void {
    this.#taken.set(`${jobId}:${attempt}`, memoryMb)
  }

  /** Undefined for an attempt that never reached a pilot. */
  memoryOf(jobId: string, attempt: number): number | null | undefined {
    return this.#taken.get(`${jobId}:${attempt}`)
  }

  /** Whether the attempt ever reached a pilot. */
  wasTaken(jobId: string, attempt: number): boolean {
    return this.#taken.has(`${jobId}:${attempt}`)
  }

  /** A pilot reports that end of an attempt (`what`, or `failed:cause`); it may do so several times. */
  reports(jobId: string, attempt: number, end: string, job: ModelJob | undefined): void {
    const key = `${jobId}:${attempt}`
    const ends = this.#ends.get(key) ?? new Set()
    this.#ends.set(key, ends.add(end))
    if (end === 'finished' && job) this.#finished.add(job)
  }

  /** Somebody outside posts for an attempt; he may do so several times. */
  posts(jobId: string, attempt: number, says: 'value' | 'error', job: ModelJob): void {
    this.#posts.set(`${jobId}:${attempt}`, { says, isTaken: false })
    if (says === 'value') this.#finished.add(job)
  }

  /** He heard that it was taken. */
  tookPost(jobId: string, attempt: number): void {
    this.#posts.get(`${jobId}:${attempt}`)!.isTaken = true
  }

  postOf(jobId: string, attempt: number): { says: 'value' | 'error'; isTaken: boolean } | undefined {
    return this.#posts.get(`${jobId}:${attempt}`)
  }

  wasReported(jobId: string, attempt: number, end: string): boolean {
    return this.#ends.get(`${jobId}:${attempt}`)?.has(end) ?? false
  }
}
