import { expect, test } from 'vitest'
import { askOn } from './ask.ts'

const pages: Record<string, { items: number[]; next: string | null }> = {
  first: { items: [], next: 'b' },
  b: { items: [1], next: 'c' },
  c: { items: [2, 3], next: 'd' },
  d: { items: [4], next: null },
}
const page = async (after = 'first') => pages[after]!

test('pages that have little are followed until there is enough, and the cursor leads on', async () => {
  expect(await askOn(2, page)).toEqual({ items: [1, 2, 3], next: 'd' })
})

test('it ends where the list does', async () => {
  expect(await askOn(9, page)).toEqual({ items: [1, 2, 3, 4], next: null })
})
