import pc from 'picocolors'
import { expect, test } from 'vitest'
import type { Workflow } from '../../contract/workflows.ts'
import type { Style } from '../look/style.ts'
import { textWidth } from '../look/textWidth.ts'
import { type Group, Progress, type ProgressView } from './progress.ts'
import { progressLines, progressSentence } from './render.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, 0) + seconds * 1000)

const workflow = {
  id: 'w12',
  name: 'main',
  state: 'running',
  createdAt: at(0).toISOString(),
  endedAt: null,
} as unknown as Workflow
const counts = (total: number, states: object = {}) => ({ total, ...states }) as never

test('tasks of one name are one group, and news of a task replaces what was known of it', () => {
  const progress = new Progress(workflow)
  progress.seeTask({ taskId: 't1', name: 'fit', counts: counts(10, { running: 4, activated: 6 }) }, at(1))
  progress.seeTask({ taskId: 't2', name: 'sum', counts: counts(1, { pending: 1 }) }, at(1))
  progress.seeTask({ taskId: 't3', name: 'fit', counts: counts(5, { failed: 1, cancelled: 1, running: 3 }) }, at(1))
  progress.seeTask({ taskId: 't1', name: 'fit', counts: counts(10, { running: 1, finished: 9 }) }, at(1))
  expect(progress.view(at(2)).groups).toMatchObject([
    { name: 'fit', total: 15, finished: 9, failed: 1, cancelled: 1, running: 4 },
    { name: 'sum', total: 1, finished: 0, running: 0 },
  ])
  expect(progress.isQuiet).toBe(false)
  expect(progress.view(at(7)).seconds).toBe(7)
})

test('a rate is what ended lately: it needs a second, falls when nothing comes, and is of no interest at the end', () => {
  const progress = new Progress(workflow)
  const see = (finished: number, seconds: number) =>
    progress.seeTask({ taskId: 't1', name: 'fit', counts: counts(1000, { finished }) }, at(seconds))
  const rate = (seconds: number) => progress.view(at(seconds)).groups[0]!.rate
  see(0, 0)
  see(50, 0.5)
  expect(rate(0.5)).toBeNull()
  see(200, 2)
  expect(rate(2)).toBe(100)
  expect(rate(4)).toBe(50)
  for (let second = 3; second <= 30; second++) see(200 + (second - 2) * 20, second)
  expect(rate(30)).toBeCloseTo(20, 0)
  see(1000, 31)
  expect(rate(31)).toBeNull()
  expect(progress.isQuiet).toBe(true)
})

const group = (name: string, more: Partial<Group> = {}): Group => ({
  name,
  total: 0,
  finished: 0,
  failed: 0,
  cancelled: 0,
  running: 0,
  rate: null,
  ...more,
})
const view = (...groups: Group[]): ProgressView => ({
  id: 'w12',
  name: 'main',
  state: 'running',
  seconds: 12.3,
  groups,
})
const style = (columns: number, more: Partial<Style> = {}): Style => ({
  colors: pc.createColors(false),
  unicode: true,
  columns,
  now: at(0),
  ...more,
})
const scan = view(
  group('simulate', { total: 1000, finished: 312, failed: 2, running: 8, rate: 118.2 }),
  group('sum', { total: 20 }),
)

test('progress is a head and a line per group: bar, how many have ended of how many, what runs, what failed, how fast', () => {
  expect(progressLines(scan, style(80))).toEqual([
    'w12 main ● running 12 s',
    '  simulate  █████████▒···················  314/1000  8 running  2 failed  118/s',
    '  sum       ·····························      0/20',
  ])
})

test('a narrow terminal loses the bars, then numbers, and no line is ever wider than it', () => {
  expect(progressLines(scan, style(44))[1]).toBe('  simulate  314/1000  8 running  2 failed')
  for (let columns = 10; columns < 140; columns++)
    for (const line of progressLines(scan, style(columns))) expect(textWidth(line), line).toBeLessThan(columns)
})

test('a bar is full only when all has ended, and empty only when nothing has', () => {
  const barOf = (more: Partial<Group>) =>
    progressLines(view(group('x', more)), style(60, { unicode: false }))[1]!.split('  ')[2]
  expect(barOf({ total: 100_000, finished: 1 })).toMatch(/^#\.+$/)
  expect(barOf({ total: 100_000, finished: 99_999 })).toMatch(/^#+\.$/)
  expect(barOf({ total: 3, finished: 3 })).toMatch(/^#+$/)
  expect(barOf({ total: 3, failed: 3 })).toMatch(/^x+$/)
  expect(barOf({ total: 0 })).toMatch(/^\.+$/)
})

test('of many groups the newest are shown, and the others counted', () => {
  const lines = progressLines(
    view(...Array.from({ length: 15 }, (_, i) => group(`step-${i}`, { total: 1 }))),
    style(80),
  )
  expect(lines[1]).toBe('  and 3 more')
  expect(lines).toHaveLength(14)
  expect(lines.at(-1)).toContain('step-14')
})

test('where lines cannot be taken back, it is a sentence', () => {
  expect(progressSentence(scan)).toBe('w12 main running, 12 s: simulate 314/1000, 8 running, 2 failed, 118/s; sum 0/20')
  expect(progressSentence(view())).toBe('w12 main running, 12 s')
})
