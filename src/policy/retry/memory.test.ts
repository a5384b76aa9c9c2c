import { expect, test } from 'vitest'
import { moreMemory } from './memory.ts'

test.each([
  [500, null, 1000],
  [500, 4000, 1000],
  [3000, 4000, 4000],
  [4000, 4000, null],
  [4000, 2000, null],
  [2 ** 31 - 1, null, null],
])('after %i MB, where the largest pilot has %o: %o', (had, largest, more) => {
  expect(moreMemory(had, largest)).toBe(more)
})
