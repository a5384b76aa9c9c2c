import { type CoursePoint, maxCoursePoints } from '../contract/told.ts'

/** What the processes of an attempt use: `seconds` since its start, memory in MB, CPU time since they were measured first, s. */
export type Measure = { seconds: number; memoryMb: number; cpuSeconds: number }

/**
 * Memory and cores of an attempt over time, in few points: when there are `maxCoursePoints` of them, each two become one, and from then on they come half as often. A job of a
 * minute has its seconds, one of a day its half hours.
 */
export class Course {
  readonly #quietSeconds: number
  #paceSeconds: number
  #points: CoursePoint[] = []
  #first: Measure | undefined
  /** Where the point to come begins, the most memory since then, and what was measured last. */
  #from: Measure | undefined
  #peakMb = 0
  #last: Measure | undefined
  #toldSeconds = 0

  /** `quietSeconds`: who ran shorter has none to tell, and so long it says no more after it has told it; its first points come ten times as often. */
  constructor(quietSeconds: number) {
    this.#quietSeconds = quietSeconds
    this.#paceSeconds = quietSeconds / 10
  }

  add(measure: Measure): void {
    this.#last = measure
    this.#peakMb = Math.max(this.#peakMb, measure.memoryMb)
    this.#first ??= measure
    this.#from ??= measure
    if (measure.seconds - this.#from.seconds < this.#paceSeconds) return
    this.#close(this.#from, measure)
    if (this.#points.length === maxCoursePoints) this.#halve(this.#first.seconds)
  }

  /** All of it, when it is time to tell it and there is something new; null otherwise. */
  due(): CoursePoint[] | null {
    const seconds = this.#points.at(-1)?.[0] ?? 0
    if (seconds < this.#toldSeconds + this.#quietSeconds) return null
    this.#toldSeconds = seconds
    return [...this.#points]
  }

  /** All of it, up to the last measure; null when it was too short. */
  whole(): CoursePoint[] | null {
    if (!this.#from || !this.#last || this.#last.seconds < this.#quietSeconds) return null
    if (this.#last.seconds > this.#from.seconds) this.#close(this.#from, this.#last)
    return this.#points.length > 0 ? [...this.#points] : null
  }

  #close(from: Measure, to: Measure): void {
    // Of a family CPU time may become less: who ends without being waited for takes his along.
    const cores = Math.max(0, to.cpuSeconds - from.cpuSeconds) / (to.seconds - from.seconds)
    this.#points.push([to.seconds, this.#peakMb, cores])
    this.#from = to
    this.#peakMb = 0
  }

  #halve(firstSeconds: number): void {
    const halved: CoursePoint[] = []
    for (let i = 0; i < this.#points.length; i += 2)
      halved.push(joined(halved.at(-1)?.[0] ?? firstSeconds, this.#points[i]!, this.#points[i + 1]!))
    this.#points = halved
    this.#paceSeconds *= 2
  }
}

/** One point for two that follow each other from `begin` on. */
const joined = (begin: number, [middle, oneMb, oneCores]: CoursePoint, [end, otherMb, otherCores]: CoursePoint) => {
  const cpuSeconds = oneCores * (middle - begin) + otherCores * (end - middle)
  return [end, Math.max(oneMb, otherMb), cpuSeconds / (end - begin)] satisfies CoursePoint
}
