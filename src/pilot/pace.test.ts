import { expect, test } from 'vitest'
import { Pace } from './pace.ts'

const after = (...jobsMs: number[]) => {
  const pace = new Pace()
  for (const ms of jobsMs) pace.ended(ms)
  return pace.ahead(2)
}

test('nothing is claimed ahead before a job has been seen, nor when jobs are long', () => {
  expect(after()).toBe(0)
  expect(after(1000)).toBe(0)
})

test('the shorter the jobs, the more are claimed ahead, up to a bound', () => {
  expect(after(20)).toBe(4)
  expect(after(5)).toBe(10)
  expect(after(0.01)).toBe(2000)
})

test('one long job ends it at once', () => {
  expect(after(1, 1, 1, 1, 200)).toBe(0)
})

test('only what passes in a moment is given to a runner in one go', () => {
  const inOneGo = (ms: number) => {
    const pace = new Pace()
    pace.ended(ms)
    return pace.inOneGo()
  }
  expect([0.001, 1, 4, 6, 1000].map(inOneGo)).toEqual([200, 10, 2, 0, 0])
  expect(new Pace().inOneGo()).toBe(0)
})
