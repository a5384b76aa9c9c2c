import { expect, test } from 'vitest'
import { askedAfter } from './askedAfter.ts'

const entry = (taskId: number | null, seen: unknown[] | null) => ({ taskId, seen: seen && JSON.stringify(seen) })

test('a task leans on what was told last before it was asked for', () => {
  const after = askedAfter([entry(1, null), entry(2, [0, 't1']), entry(3, [1, 't2'])])
  expect([...after]).toEqual([
    [1, []],
    [2, [1]],
    [3, [2]],
  ])
})

test('tasks asked for at once lean on the same', () => {
  const after = askedAfter([entry(1, null), entry(2, [0, 't1']), entry(3, [1])])
  expect(after.get(3)).toEqual([1])
})

test('what an entry repeats of those before is not news, records are none, and failures and iterations are', () => {
  const after = askedAfter([
    entry(1, null),
    entry(2, null),
    entry(null, [0, 't1', '=now']),
    entry(3, [0, 't1', '=now', 't2!4']),
    entry(4, [3, ['t3', 0, 1], ['t3', 1, 1]]),
    entry(5, [5, ['!t9', 'code', 'message']]),
  ])
  expect(after.get(3)).toEqual([2])
  expect(after.get(4)).toEqual([3])
  expect(after.get(5)).toEqual([3])
})

test('what no driver of ours would write says nothing', () => {
  for (const seen of ['', '{}', 'null', '7', '["t1"]', '[0, {"a": 1}, null, [[]]]', '[0, "t'])
    expect(askedAfter([{ taskId: 2, seen }]).get(2)).toEqual([])
})
