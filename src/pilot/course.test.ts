import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxCoursePoints } from '../contract/told.ts'
import { Course } from './course.ts'

/** Measured every second, with what it uses then; gives what was told, and when. */
const courseOf = (seconds: number, { everySeconds = 1, memoryMb = (_: number): number => 100, cores = 1 } = {}) => {
  const course = new Course(10)
  const told: number[] = []
  for (let at = 0; at <= seconds; at += everySeconds) {
    course.add({ seconds: at, memoryMb: memoryMb(at), cpuSeconds: at * cores })
    const points = course.due()
    if (points) told.push(points.at(-1)![0])
  }
  return { course, told }
}

test('a job of less than ten seconds has none, and one that is measured once has none', () => {
  expect(courseOf(9.5, { everySeconds: 0.5 }).course.whole()).toBeNull()
  const once = new Course(10)
  once.add({ seconds: 3600, memoryMb: 1, cpuSeconds: 0 })
  expect(once.whole()).toBeNull()
})

test('a job of a minute has its seconds, and tells them every ten', () => {
  const { course, told } = courseOf(59)
  expect(told).toEqual([10, 20, 30, 40, 50])
  expect(course.whole()!.slice(0, 3)).toEqual([
    [1, 100, 1],
    [2, 100, 1],
    [3, 100, 1],
  ])
  expect(course.whole()).toHaveLength(59)
})

test('a job of a day has points of about half an hour, and tells them no more often', () => {
  const { course, told } = courseOf(86_400, { everySeconds: 2, cores: 4 })
  const points = course.whole()!
  expect(points.length).toBeGreaterThan(maxCoursePoints / 2)
  expect(points.length).toBeLessThanOrEqual(maxCoursePoints)
  const steps = points.slice(1, -1).map(([seconds], i) => seconds - points[i]![0])
  expect([Math.min(...steps), Math.max(...steps)]).toEqual([2048, 2048])
  expect(told.at(-1)! - told.at(-2)!).toBe(2048)
  expect(points.at(-1)![0], 'up to its end').toBe(86_400)
})

test('a peak of memory between two points is seen, however many become one', () => {
  const { course } = courseOf(5000, { memoryMb: (at): number => (at === 777 ? 9000 : 50) })
  const peaks = course.whole()!.filter(([, memoryMb]) => memoryMb !== 50)
  expect(peaks).toHaveLength(1)
  const [seconds] = peaks[0]!
  expect(seconds).toBeGreaterThanOrEqual(777)
  expect(seconds).toBeLessThan(777 + 128)
})

test('whatever is measured and whenever: points follow each other, no more than there may be, and their cores add up to the CPU time', () => {
  const step = fc.record({
    seconds: fc.double({ min: 0.2, max: 100, noNaN: true }),
    memoryMb: fc.nat(10_000),
    cpuSeconds: fc.double({ min: 0, max: 400, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 500 }), (steps) => {
      const course = new Course(0.1)
      let [seconds, cpuSeconds] = [0, 0]
      for (const one of steps) {
        seconds += one.seconds
        cpuSeconds += one.cpuSeconds
        course.add({ seconds, memoryMb: one.memoryMb, cpuSeconds })
        expect(course.due()?.length ?? 0).toBeLessThan(maxCoursePoints)
      }
      const points = course.whole()!
      expect(points.length).toBeLessThanOrEqual(maxCoursePoints)
      expect(points.at(-1)![0]).toBe(seconds)
      expect(Math.max(...points.map(([, memoryMb]) => memoryMb))).toBe(Math.max(...steps.map((one) => one.memoryMb)))
      let [begin, used] = [steps[0]!.seconds, 0]
      for (const [end, , cores] of points) {
        expect(end).toBeGreaterThan(begin)
        used += cores * (end - begin)
        begin = end
      }
      expect(used).toBeCloseTo(cpuSeconds - steps[0]!.cpuSeconds, 3)
    }),
  )
})
