import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { histogramOf } from './histogram.ts'
import { indexesOf } from './sample.ts'

const shown = (values: number[]) => histogramOf(values)!.buckets.map(({ from, to, jobs }) => `${from}–${to}: ${jobs}`)

describe('which jobs are looked at', () => {
  test('all of a few', () => {
    expect(indexesOf(5, 10)).toEqual([0, 1, 2, 3, 4])
    expect(indexesOf(0, 10)).toEqual([])
  })

  test('of many one of each part, once', () => {
    const indexes = indexesOf(1_000_000, 2000)
    expect(indexes.map((index) => Math.floor(index / 500))).toEqual(Array.from({ length: 2000 }, (_, i) => i))
    expect(new Set(indexesOf(2001, 2000)).size).toBe(indexesOf(2001, 2000).length)
  })

  test('of jobs that come in rounds all of the round are met, even when there are as many rounds as are looked at', () => {
    const places = indexesOf(200_000, 2000).map((index) => index % 100)
    for (let place = 0; place < 100; place++)
      expect(places.filter((other) => other === place).length, `${place}`).toBeGreaterThan(10)
  })

  test('never an index that the task does not have', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 200 }), (jobs, most) => {
        const indexes = indexesOf(jobs, most)
        expect(indexes.every((index) => index >= 0 && index < jobs)).toBe(true)
        expect(indexes.length).toBeLessThanOrEqual(most)
      }),
    )
  })
})

describe('how numbers are distributed', () => {
  test('of none there is nothing to say', () => {
    expect(histogramOf([])).toBeNull()
  })

  test('half are at most p50, one of twenty above p95', () => {
    const { jobs, p50, p95, max } = histogramOf(Array.from({ length: 100 }, (_, i) => 100 - i))!
    expect({ jobs, p50, p95, max }).toEqual({ jobs: 100, p50: 50, p95: 95, max: 100 })
  })

  test('what lies close together is told apart by equal steps with round bounds', () => {
    expect(shown([9.8, 10, 10.05, 10.2])).toEqual([
      '9.8–9.9: 1',
      '9.9–10: 0',
      '10–10.1: 2',
      '10.1–10.2: 0',
      '10.2–10.3: 1',
    ])
    expect(shown([0.1, 0.3, 0.7]).slice(0, 5)).toEqual([
      ...['0.1–0.15: 1', '0.15–0.2: 0', '0.2–0.25: 0', '0.25–0.3: 0', '0.3–0.35: 1'],
    ])
  })

  test('what differs by much is told by decades', () => {
    expect(shown([0.3, 1, 2, 60, 1000])).toEqual([
      ...['0.2–0.5: 1', '0.5–1: 0', '1–2: 1', '2–5: 1', '5–10: 0', '10–20: 0'],
      ...['20–50: 0', '50–100: 1', '100–200: 0', '200–500: 0', '500–1000: 0', '1000–2000: 1'],
    ])
  })

  test.each([
    ['equal numbers', [1.5, 1.5, 1.5], ['1.5–1.51: 3']],
    ['nothing at all', [0, 0], ['0–1: 2']],
    ['mostly nothing', [0, 0, 0, 3], ['0–1: 3', '1–2: 0', '2–5: 1']],
    ['what differs by a rounding', [0.1 + 0.2, 0.3], ['0.3–0.302: 2']],
    ['the smallest number that there is', [0, Number.MIN_VALUE], ['0–1e-300: 2']],
  ])('%s', (_, values, buckets) => {
    expect(shown(values)).toEqual(buckets)
  })

  test('whatever is measured, each lies in one of a few buckets that follow one another', () => {
    const amount = fc.oneof(
      fc.double({ min: 0, max: 1e60, noNaN: true }),
      fc.double({ min: 0, max: 5, noNaN: true }),
      fc.double({ min: 0, max: 1e-290, noNaN: true }),
    )
    fc.assert(
      fc.property(fc.array(amount, { minLength: 1 }), (values) => {
        const { buckets, jobs, p50, p95, max } = histogramOf(values)!
        expect(buckets.length).toBeLessThanOrEqual(24)
        expect(buckets.reduce((sum, bucket) => sum + bucket.jobs, 0)).toBe(values.length)
        expect(buckets.every(({ from, to }, i) => from < to && from === (buckets[i - 1]?.to ?? from))).toBe(true)
        expect([buckets[0]!.from <= Math.min(...values), buckets.at(-1)!.jobs > 0]).toEqual([true, true])
        expect([jobs, max, p50 <= p95, p95 <= max]).toEqual([values.length, Math.max(...values), true, true])
      }),
      { numRuns: 1000 },
    )
  })
})
