import { describe, expect, it } from 'vitest'
import { bestSoFar, draw, makeDisplay } from './draw.ts'

const falling = Array.from({ length: 200 }, (_, i) => 1 / (i + 1))

describe('the chart', () => {
  it.each([20, 60, 120])('fits into %i columns and names the best loss and the number of evaluations', (columns) => {
    const lines = draw(falling, { columns, rows: 6 }).split('\n')
    expect(lines).toHaveLength(9)
    for (const line of lines.slice(1)) expect([...line].length).toBeLessThanOrEqual(columns)
    expect(lines[0]).toBe('best 0.00500 after 200 evaluations')
    expect(lines.at(-1)!.endsWith('200')).toBe(true)
  })

  it('draws a line that begins at the top left and ends at the bottom right', () => {
    const canvas = draw(falling, { columns: 40, rows: 5 }).split('\n').slice(1, 6)
    expect(isBlank(canvas[0]!.at(8)!)).toBe(false)
    expect(isBlank(canvas[0]!.at(-1)!)).toBe(true)
    expect(isBlank(canvas.at(-1)!.at(-1)!)).toBe(false)
  })

  it('passes over failures, and says so when there is nothing else', () => {
    expect(bestSoFar([Number.NaN, 3, Number.NaN, 5, 2])).toEqual([Number.NaN, 3, 3, 3, 2])
    expect(draw([Number.NaN, 1])).toContain('best 1.00000 after 2 evaluations')
    expect(draw([Number.NaN])).toBe('no loss yet after 1 evaluations')
    expect(draw([])).toBe('no loss yet after 0 evaluations')
  })

  it('has no colour or other escape codes', () => {
    expect(draw(falling)).not.toContain('\x1b')
  })
})

describe('the display', () => {
  it('redraws in place on a terminal', () => {
    const written: string[] = []
    const show = makeDisplay({ isTTY: true, columns: 50, write: (text: string) => written.push(text) })
    show([3])
    show([3, 2])
    const linesBefore = written[0]!.split('\n').length - 1
    expect(written[0]).not.toContain('\x1b')
    expect(written[1]!.startsWith(`\x1b[${linesBefore}A\x1b[J`)).toBe(true)
  })

  it('adds a line each time where there is no terminal', () => {
    const written: string[] = []
    const show = makeDisplay({ write: (text: string) => written.push(text) })
    show([3])
    show([3, 2])
    expect(written).toEqual(['    1 evaluations  best 3.00000\n', '    2 evaluations  best 2.00000\n'])
  })
})

const isBlank = (character: string) => character === '\u2800'
