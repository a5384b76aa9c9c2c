import pc from 'picocolors'
import { expect, test } from 'vitest'
import { stateText, withNumbers } from './states.ts'
import { type Style, styleOf } from './style.ts'
import { table } from './table.ts'
import { cutText, plainLine, textWidth } from './textWidth.ts'
import { ago, duration } from './times.ts'
import { megabytes, showArguments, showSent } from './values.ts'

const plain: Style = {
  colors: pc.createColors(false),
  unicode: true,
  columns: 80,
  now: new Date('2026-03-01T12:00:00Z'),
}
const colored: Style = { ...plain, colors: pc.createColors(true) }

test('a table aligns what people see: wide characters count two, and no space is left at the ends of lines', () => {
  const columns = [{ title: 'id' }, { title: 'name' }, { title: 'jobs', right: true }]
  const rows = [
    ['w1', '測定', '7'],
    ['w12', 'fit', '1000'],
  ]
  expect(table(columns, rows, plain)).toEqual(['ID   NAME  JOBS', 'w1   測定     7', 'w12  fit   1000'])
})

test('a table takes from its widest flexible column until it fits the terminal', () => {
  const columns = [{ title: 'id' }, { title: 'name', flexible: true }, { title: 'owner', flexible: true }]
  const rows = [['w1', 'a name that is far too long for this', 'somebody']]
  const lines = table(columns, rows, { ...plain, columns: 30 })
  expect(lines[1]).toBe('w1  a name that is …  somebody')
  expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(30)
  expect(table(columns, rows, { ...plain, columns: Number.POSITIVE_INFINITY })[1]).toContain('far too long for this')
})

test('colours take no room in a table', () => {
  const rows = [[{ text: 'on', paint: colored.colors.green }, 'x']]
  expect(table([{ title: 'state' }, { title: 'b' }], rows, colored)[1]).toBe(`${colored.colors.green('on')}     x`)
})

test('what comes from elsewhere cannot move the cursor', () => {
  expect(plainLine('a\u001b[2Jb\nc\u009b1A')).toBe('a [2Jb c 1A')
  expect(table([{ title: 'name' }], [['a\u001b[31mb']], plain)[1]).toBe('a [31mb')
  expect(showSent({ text: JSON.stringify('\u001b[2Jx\ny') }, plain)).toBe(' [2Jx\ny')
})

test('a text is cut by what people see, never inside a character', () => {
  expect(cutText('abcdef', 4)).toBe('abc…')
  expect(cutText('abcd', 4)).toBe('abcd')
  expect(cutText('👩‍🔬👩‍🔬👩‍🔬', 4)).toBe('👩‍🔬…')
})

test('a state has its numbers beside it, and a symbol beside its colour', () => {
  expect(withNumbers('finished', { total: 20, finished: 18, failed: 2 } as never)).toBe('finished 18/20, 2 failed')
  expect(withNumbers('failed', { total: 3, failed: 1, cancelled: 1, closed: 1 } as never)).toBe(
    'failed 0/3, 1 failed, 2 cancelled',
  )
  expect(withNumbers('running', { total: 0 } as never)).toBe('running')
  // The same word is all of a job and part of a workflow.
  expect(stateText('job', 'finished', plain)).toBe('✓ finished')
  expect(stateText('workflow', 'finished', plain)).toBe('◐ finished')
  expect(stateText('workflow', 'failed', { ...plain, unicode: false })).toBe('x failed')
  expect(stateText('workflow', 'failed', colored)).toBe(colored.colors.red('✗ failed'))
})

test('times, durations and sizes are told in the units that matter', () => {
  expect([0.42, 12.3, 185, 7800, 273_600].map(duration)).toEqual(['0.4 s', '12 s', '3 m 05 s', '2 h 10 m', '3 d 4 h'])
  const agos = ['2026-03-01T12:00:05Z', '2026-03-01T11:59:18Z', '2026-03-01T11:00:00Z', '2026-02-26T12:00:00Z']
  expect(agos.map((at) => ago(at, plain.now))).toEqual(['0s', '42s', '1h', '3d'])
  expect([0.4, 812.3, 1300].map(megabytes)).toEqual(['0.4 MB', '812 MB', '1.3 GB'])
})

test('values and arguments are shown as they would be written', () => {
  expect(showArguments({ text: '{"a":[3,"x"],"k":{"scale":[1,2]}}' }, plain)).toBe("3, 'x', scale=[ 1, 2 ]")
  expect(showSent({ text: '{"$culm":"datetime","v":"2026-01-01T00:00:00.000Z"}' }, plain)).toBe(
    '2026-01-01T00:00:00.000Z',
  )
  expect(showSent({ text: '{"$culm":"of-tomorrow","v":1}' }, plain)).toBe('{"$culm":"of-tomorrow","v":1}')
  expect(showSent({ blob: 'ab'.repeat(32), bytes: 2_000_000 }, plain)).toBe('(2.0 MB, stored as abababababab)')
})

test('colours are for terminals, unless the environment says otherwise', () => {
  const tty = { write: () => true, isTTY: true, columns: 100 }
  const pipe = { write: () => true }
  const isColored = (output: typeof pipe, env: NodeJS.ProcessEnv, plain = false) =>
    styleOf(output, { env, plain, now: new Date() }).colors.isColorSupported
  expect(isColored(tty, {})).toBe(true)
  expect(isColored(tty, { NO_COLOR: '1' })).toBe(false)
  expect(isColored(tty, { TERM: 'dumb' })).toBe(false)
  expect(isColored(pipe, {})).toBe(false)
  expect(isColored(pipe, { FORCE_COLOR: '1' })).toBe(true)
  expect(isColored(pipe, { FORCE_COLOR: '1' }, true)).toBe(false)
  expect(styleOf(pipe, { env: { LANG: 'C' }, plain: true, now: new Date() })).toMatchObject({
    columns: Number.POSITIVE_INFINITY,
    unicode: false,
  })
})
