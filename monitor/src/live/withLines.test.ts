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

test('several states, a part of the name, labels and times are filtered by as the server does it', () => {
  const made = { name: 'Scan of taus', labels: { campaign: 'mc26' }, createdAt: '2026-11-01T12:00:00Z' }
  const comes = (filter: Parameters<typeof withLines>[2]) => ids(withLines(page(), told(line(1, made)), filter, 200))
  for (const filter of [
    { state: ['running', 'paused'] as const },
    { text: 'tau' },
    { label: 'campaign=mc26' },
    { since: '2026-11-01T12:00:00Z', until: '2026-11-02T00:00:00Z' },
  ])
    expect(comes(filter as never)).toBe('w1')
  for (const filter of [
    { state: ['done', 'paused'] as const },
    { text: 'muon' },
    { label: ['campaign=mc26', 'group=higgs'] },
    { until: '2026-11-01T12:00:00Z' },
  ])
    expect(comes(filter as never)).toBe('')
})
