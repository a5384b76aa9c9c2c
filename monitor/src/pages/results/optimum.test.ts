import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bestSoFar, paretoFront, rankCorrelation } from './optimum.ts'

test('the best so far never rises, and passes over what has no number', () => {
  expect(bestSoFar([null, 3, 4, null, 1, 2])).toEqual([null, 3, 3, 3, 1, 1])
})

test('the front is exactly those that nobody beats', () => {
  const pair = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 }))
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 40 }), (pairs) => {
      const front = paretoFront(
        pairs.map(([a]) => a),
        pairs.map(([, b]) => b),
      ).map((i) => pairs[i]!)
      const beats = ([a, b]: number[], [c, d]: number[]) => a! <= c! && b! <= d! && (a! < c! || b! < d!)
      const unbeaten = pairs.filter((one) => !pairs.some((other) => beats(other, one)))
      expect(new Set(front.map(String))).toEqual(new Set(unbeaten.map(String)))
    }),
  )
})

test('what rises with the other has 1, what falls -1, and what stays 0', () => {
  expect(rankCorrelation([1, 2, 30], [4, 5, 6])).toBeCloseTo(1)
  expect(rankCorrelation([1, 2, 3], [60, 5, 4])).toBeCloseTo(-1)
  expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBe(0)
})
