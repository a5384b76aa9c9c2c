/** Draws how the best loss falls from evaluation to evaluation, in plain characters. */

export type Size = { columns: number; rows: number }

/**
 * A chart of the best loss so far against the number of the evaluation, in braille dots (2 × 4 to a character).
 * `losses` come in the order of their evaluations; what is not finite (a failure) counts as an evaluation and no more.
 */
export const draw = (losses: readonly number[], { columns = 80, rows = 10 }: Partial<Size> = {}): string => {
  const path = bestSoFar(losses)
  const known = path.filter(Number.isFinite)
  if (known.length === 0) return `no loss yet after ${losses.length} evaluations`
  // The first few tries are often so bad that all after them would look flat: they may leave the chart at its top.
  const high = known[Math.floor(known.length / 20)]!
  const low = known.at(-1)!
  const labels = Array.from({ length: rows }, (_, r) =>
    r === 0 ? high.toFixed(4) : r === rows - 1 ? low.toFixed(4) : '',
  )
  const labelWidth = Math.max(...labels.map((label) => label.length))
  const width = Math.max(10, columns - labelWidth - 2)
  const canvas = stepLine(path, low, high, width, rows)
  const lines = canvas.map((line, r) => `${labels[r]!.padStart(labelWidth)} ${labels[r] ? '┤' : '│'}${line}`)
  const margin = ' '.repeat(labelWidth + 1)
  return [
    `best ${low.toFixed(5)} after ${losses.length} evaluations`,
    ...lines,
    `${margin}└${'─'.repeat(width)}`,
    `${margin} 1${String(losses.length).padStart(width - 1)}`,
  ].join('\n')
}

/** Where text is shown: a terminal, a file, or a test. */
export type Screen = { write(text: string): unknown; isTTY?: boolean; columns?: number }

/** Shows the chart as it grows: in place on a terminal; elsewhere a line each time, since a log has no place to return to. */
export const makeDisplay = (screen: Screen): ((losses: readonly number[]) => void) => {
  let linesShown = 0
  return (losses) => {
    if (!screen.isTTY) {
      screen.write(`${String(losses.length).padStart(5)} evaluations  best ${bestSoFar(losses).at(-1)?.toFixed(5)}\n`)
      return
    }
    const text = draw(losses, { columns: screen.columns })
    screen.write(`${linesShown > 0 ? `\x1b[${linesShown}A\x1b[J` : ''}${text}\n`)
    linesShown = text.split('\n').length
  }
}

/** NaN until the first finite loss. */
export const bestSoFar = (losses: readonly number[]): number[] => {
  let best = Number.NaN
  return losses.map((loss) => {
    if (Number.isFinite(loss) && !(loss >= best)) best = loss
    return best
  })
}

const stepLine = (path: number[], low: number, high: number, columns: number, rows: number): string[] => {
  const [dotColumns, dotRows] = [2 * columns, 4 * rows]
  const dots = Array.from({ length: rows }, () => new Uint8Array(columns))
  const rowOf = (loss: number) => Math.max(0, Math.round(((high - loss) / (high - low || 1)) * (dotRows - 1)))
  let previous: number | null = null
  for (let x = 0; x < dotColumns; x++) {
    const loss = path[Math.floor((x / dotColumns) * path.length)]!
    if (Number.isNaN(loss)) continue
    const row = rowOf(loss)
    for (let y = Math.min(previous ?? row, row); y <= row; y++) dots[y >> 2]![x >> 1]! |= brailleBits[y & 3]![x & 1]!
    previous = row
  }
  return dots.map((line) => [...line].map((bits) => String.fromCodePoint(0x2800 + bits)).join(''))
}

/** The bit of each dot of a braille character, by row and column (Unicode's block of braille patterns). */
const brailleBits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
]
