import { expect, test } from 'vitest'
import type { JournalEntry } from '../../../src/contract/workflows.ts'
import { askedAfter } from './askedAfter.ts'

const entry = (taskId: `t${number}` | null, seen: unknown[] | null) =>
  ({ taskId, seen: seen && JSON.stringify(seen) }) as JournalEntry

test('a task leans on what was told last before it was asked for', () => {
  const after = askedAfter([entry('t1', null), entry('t2', [0, 't1']), entry('t3', [1, 't2'])])
  expect([...after]).toEqual([
    ['t1', []],
    ['t2', ['t1']],
    ['t3', ['t2']],
  ])
})

test('tasks asked for at once lean on the same', () => {
  const after = askedAfter([entry('t1', null), entry('t2', [0, 't1']), entry('t3', [1])])
  expect(after.get('t3')).toEqual(['t1'])
})

test('what an entry repeats of those before is not news, records are none, and failures and iterations are', () => {
  const after = askedAfter([
    entry('t1', null),
    entry('t2', null),
    entry(null, [0, 't1', '=now']),
    entry('t3', [0, 't1', '=now', 't2!4']),
    entry('t4', [3, ['t3', 0, 1], ['t3', 1, 1]]),
    entry('t5', [5, ['!t9', 'code', 'message']]),
  ])
  expect(after.get('t3')).toEqual(['t2'])
  expect(after.get('t4')).toEqual(['t3'])
  expect(after.get('t5')).toEqual(['t3'])
})
