import type { Style } from './style.ts'
import { cutText, plainLine, textWidth } from './textWidth.ts'

export type Column = {
  title: string
  right?: boolean
  /** May be cut when the terminal is too narrow. */
  flexible?: boolean
}

/** What stands in one place; `paint` is put on after everything has been measured. */
export type Cell = string | { text: string; paint: (text: string) => string }

/** No column is cut to less, so that it still says something. */
const leastWidth = 6

const gap = '  '

/** Aligned columns under their titles, without borders, as wide as the terminal at most. */
export const table = (columns: readonly Column[], rows: readonly (readonly Cell[])[], style: Style): string[] => {
  const cells = rows.map((row) => row.map((cell) => plainLine(textOf(cell))))
  const widths = fit(
    columns.map(({ title }, i) => Math.max(textWidth(title), ...cells.map((row) => textWidth(row[i]!)))),
    columns,
    style.columns,
  )
  const line = (texts: readonly string[], paints: readonly ((text: string) => string)[]) =>
    texts
      .map((text, i) =>
        place(cutText(text, widths[i]!, style.unicode ? '…' : '~'), widths[i]!, columns[i]!, paints[i]!),
      )
      .join(gap)
      .trimEnd()
  const titles = columns.map(({ title }) => title.toUpperCase())
  return [
    line(
      titles,
      titles.map(() => style.colors.dim),
    ),
    ...rows.map((row, n) =>
      line(
        cells[n]!,
        row.map((cell) => (typeof cell === 'string' ? unpainted : cell.paint)),
      ),
    ),
  ]
}

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text)

const unpainted = (text: string): string => text

/** Takes from the widest of the flexible columns until all fit, or nothing is left to take. */
const fit = (natural: number[], columns: readonly Column[], available: number): number[] => {
  const widths = [...natural]
  let over = widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1) - available
  while (over > 0) {
    const widest = widths.reduce(
      (best, width, i) => (columns[i]!.flexible && width > (widths[best] ?? leastWidth) ? i : best),
      -1,
    )
    if (widest < 0) break
    widths[widest]!--
    over--
  }
  return widths
}

const place = (text: string, width: number, { right }: Column, paint: (text: string) => string): string => {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)))
  return right ? space + paint(text) : paint(text) + space
}
