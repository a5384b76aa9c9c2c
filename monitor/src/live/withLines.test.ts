import { expect, test } from 'vitest'
import type { WorkflowLine } from '../../../src/contract/frames.ts'
import type { Workflow } from '../../../src/contract/workflows.ts'
import { withLines } from './withLines.ts'

const line = (n: number, more: Partial<WorkflowLine> = {}) =>
  ({ id: `w${n}`, name: `n${n}`, state: 'running', owner: 'ada', program: null, ...more }) as WorkflowLine
const page = (...numbers: number[]) => ({
  items: numbers.map((n): Workflow => ({ ...line(n), value: null, error: null })),
  next: null as string | null,
})
const told = (...lines: WorkflowLine[]) => new Map(lines.map((one) => [one.id, one]))
const ids = (items: Workflow[]) => items.map(({ id }) => id).join(' ')

test('a line changes its row and keeps what is only in the row', () => {
  const before = page(2, 1)
  before.items[0]!.value = { text: '1' }
  expect(withLines(before, told(line(2, { state: 'done' })), {}, 200)[0]).toMatchObject({
    state: 'done',
    value: { text: '1' },
  })
})

test('a new one comes at its place, and only where it fits the filter', () => {
  expect(ids(withLines(page(4, 1), told(line(3), line(5)), {}, 200))).toBe('w5 w4 w3 w1')
  expect(ids(withLines(page(4), told(line(5, { owner: 'bea' }), line(6)), { owner: 'ada' }, 200))).toBe('w6 w4')
})

test('one that no longer fits goes', () => {
  expect(ids(withLines(page(2, 1), told(line(2, { state: 'done' })), { state: 'running' }, 200))).toBe('w1')
})

test('what lies behind the page stays there', () => {
  expect(ids(withLines({ ...page(9, 8), next: 'more' }, told(line(3), line(10)), {}, 200))).toBe('w10 w9 w8')
})
