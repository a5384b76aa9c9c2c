import { expect, test } from 'vitest'
import { makeBatcher } from './batcher.ts'

const gate = () => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

test('the first item goes alone and at once, what came meanwhile goes together', async () => {
  const first = gate()
  const batches: number[][] = []
  const double = makeBatcher<number, number>({
    maxItems: 100,
    run: async (items) => {
      batches.push(items)
      if (batches.length === 1) await first.opened
      return items.map((n) => n * 2)
    },
  })
  const all = Promise.all([1, 2, 3, 4].map(double))
  first.open()
  expect(await all).toEqual([2, 4, 6, 8])
  expect(batches).toEqual([[1], [2, 3, 4]])
})

test('an item that spoils its batch fails alone', async () => {
  const first = gate()
  let calls = 0
  const run = makeBatcher<number, number>({
    maxItems: 100,
    run: async (items) => {
      if (++calls === 1) await first.opened
      if (items.includes(13)) throw new Error('unlucky')
      return items
    },
  })
  const outcomes = Promise.allSettled([0, ...Array.from({ length: 20 }, (_, i) => i)].map(run))
  first.open()
  const failed = (await outcomes).flatMap((o, i) => (o.status === 'rejected' ? [i - 1] : []))
  expect(failed).toEqual([13])
})

test('a batch never weighs more than it may, unless a single item does', async () => {
  const first = gate()
  const batches: number[][] = []
  const run = makeBatcher<number, number>({
    maxItems: 10,
    weightOf: (n) => n,
    run: async (items) => {
      batches.push(items)
      if (batches.length === 1) await first.opened
      return items
    },
  })
  const all = Promise.all([1, 4, 6, 50, 3].map(run))
  first.open()
  await all
  expect(batches).toEqual([[1], [4, 6], [50], [3]])
})
