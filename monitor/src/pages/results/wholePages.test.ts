import { expect, test } from 'vitest'
import { wholePages } from './wholePages.ts'

const page = (next: string | null, ...indexes: number[]) => ({ points: indexes.map((index) => ({ index })), next })

test('a page is read again when a job of it may still end, and all that follow it', () => {
  expect(wholePages([page('a', 0, 1), page('b', 2, 3), page(null, 4)], 2)).toBe(2)
  expect(wholePages([page('a', 0, 1), page('b', 2, 4), page('c', 5, 6)], 2)).toBe(1)
  expect(wholePages([page(null)], 2)).toBe(0)
  expect(wholePages([], 2)).toBe(0)
})
