import type { Told } from '../contract/runner.ts'
import {
  maxProgressText,
  maxToldCourses,
  maxToldMetrics,
  maxToldProgress,
  type ToldCourse,
  type ToldMetric,
  type ToldProgress,
} from '../contract/told.ts'
import { sleep } from '../lib/clock.ts'
import { messageOf } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { storable } from './failure.ts'
import { attemptKey } from './jobOutput.ts'
import { type Hidden, redact } from './redaction.ts'

export type ToldBatch = { metrics: ToldMetric[]; progress: ToldProgress[]; courses: ToldCourse[] }

/** One metric of one attempt, as long as any of it waits: how often it was said, and of how many one is kept. */
type Curve = { said: number; stride: number }
type Waiting = { metric: ToldMetric; curve: Curve; place: number }

/**
 * What jobs said of themselves, on its way to the server: the first of it at once, then what gathers in `pauseMs`. Of progress and courses only the last word
 * counts. Metrics are never a reason to hold a job up: when more than `maxWaiting` of them wait, since the server is away, the longest curves are thinned, evenly, so that they keep
 * their form.
 */
export class ToldOutbox {
  readonly #send: (batch: ToldBatch) => Promise<void>
  readonly #log: Log
  readonly #pauseMs: number
  readonly #maxWaiting: number
  #metrics: Waiting[] = []
  #curves = new Map<string, Curve>()
  #progress = new Map<string, ToldProgress>()
  #courses = new Map<string, ToldCourse>()
  #pumping: Promise<void> | null = null

  constructor({
    send,
    log,
    pauseMs = 100,
    maxWaiting = 100_000,
  }: { send: (batch: ToldBatch) => Promise<void>; log: Log; pauseMs?: number; maxWaiting?: number }) {
    this.#send = send
    this.#log = log
    this.#pauseMs = pauseMs
    this.#maxWaiting = maxWaiting
  }

  /** `hidden`: what must not be seen of it. */
  add({ jobId, attempt, metrics = [], progress }: Told, hidden: Hidden): void {
    const of = { jobId: jobId as `j${number}`, attempt }
    for (const { step, values } of metrics)
      for (const [name, value] of Object.entries(values))
        this.#push({ ...of, name: shown(name, maxName, hidden), step, value })
    if (progress) this.#progress.set(attemptKey(jobId, attempt), { ...of, ...withoutSecrets(progress, hidden) })
    if (this.#metrics.length > this.#maxWaiting) this.#thin()
    this.#pumping ??= this.#pump()
  }

  /** What an attempt has used until now. */
  addCourse(course: ToldCourse): void {
    this.#courses.set(attemptKey(course.jobId, course.attempt), course)
    this.#pumping ??= this.#pump()
  }

  /** Resolves when nothing waits any more. */
  async flushed(): Promise<void> {
    while (this.#pumping) await this.#pumping
  }

  #push(metric: ToldMetric): void {
    const key = `${attemptKey(metric.jobId, metric.attempt)} ${metric.name}`
    const curve = this.#curves.get(key) ?? { said: 0, stride: 1 }
    this.#curves.set(key, curve)
    this.#metrics.push({ metric, curve, place: curve.said++ })
  }

  /** Of a curve that is too long every n-th point stays, and its last. Should that not be enough, since there are too many curves, the oldest points go. */
  #thin(): void {
    const lengths = new Map<Curve, number>()
    const lasts = new Map<Curve, Waiting>()
    for (const waiting of this.#metrics) {
      lengths.set(waiting.curve, (lengths.get(waiting.curve) ?? 0) + 1)
      lasts.set(waiting.curve, waiting)
    }
    const longest = longestThatFits([...lengths.values()], this.#maxWaiting / 2)
    for (const [curve, length] of lengths)
      if (length > longest) while (curve.said / curve.stride > longest) curve.stride *= 2
    const before = this.#metrics.length
    this.#metrics = this.#metrics
      .filter((waiting) => waiting.place % waiting.curve.stride === 0 || lasts.get(waiting.curve) === waiting)
      .slice(-Math.ceil(this.#maxWaiting * 0.75))
    this.#log.warn(
      { dropped: before - this.#metrics.length },
      'too many metrics wait for the server: they were thinned',
    )
  }

  async #pump(): Promise<void> {
    while (this.#metrics.length + this.#progress.size + this.#courses.size > 0) {
      const batch = {
        metrics: this.#takeMetrics(),
        progress: take(this.#progress, maxToldProgress),
        courses: take(this.#courses, maxToldCourses),
      }
      try {
        await this.#send(batch)
      } catch (error) {
        this.#log.warn({ error: messageOf(error) }, 'the server refused what jobs said of themselves; it is lost')
      }
      await sleep(this.#pauseMs)
    }
    this.#pumping = null
  }

  #takeMetrics(): ToldMetric[] {
    const taken = this.#metrics.splice(0, maxToldMetrics)
    if (this.#metrics.length === 0) this.#curves.clear()
    return taken.map(({ metric }) => metric)
  }
}

/** The first `most` of them, which no longer wait. */
const take = <T>(waiting: Map<string, T>, most: number): T[] => {
  const taken = [...waiting].slice(0, most)
  for (const [key] of taken) waiting.delete(key)
  return taken.map(([, one]) => one)
}

/** How long curves may be so that all of them fit: those that are shorter stay as they are. */
const longestThatFits = (lengths: readonly number[], room: number): number => {
  const sum = (longest: number) => lengths.reduce((sum, length) => sum + Math.min(length, longest), 0)
  let longest = lengths.reduce((most, length) => Math.max(most, length), 1)
  while (longest > 1 && sum(longest) > room) longest = Math.floor(longest / 2)
  return longest
}

/** As in `contract/base.ts`: what becomes longer by what stands for a secret is cut. */
const maxName = 200

const shown = (text: string, length: number, hidden: Hidden): string => storable(redact(text, hidden).slice(0, length))

const withoutSecrets = <P extends { text?: string }>(progress: P, hidden: Hidden): P =>
  progress.text === undefined ? progress : { ...progress, text: shown(progress.text, maxProgressText, hidden) }
