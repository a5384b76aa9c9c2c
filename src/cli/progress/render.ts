import { stateCell } from '../look/states.ts'
import type { Style } from '../look/style.ts'
import { cutText, plainLine, textWidth } from '../look/textWidth.ts'
import { duration } from '../look/times.ts'
import { endedOf, type Group, type ProgressView } from './progress.ts'

/** So many groups are shown; a terminal has 24 lines, and the newest say most. */
const maxRows = 12

const maxNameWidth = 28
const maxBarWidth = 30
const leastBarWidth = 8

/** A workflow's progress as lines, none wider than the terminal. */
export const progressLines = (view: ProgressView, style: Style): string[] => {
  const left = view.groups.length - maxRows
  const rows = rowsOf(view.groups.slice(-maxRows), style)
  return [headLine(view, style), ...(left > 0 ? [style.colors.dim(`  and ${left} more`)] : []), ...rows]
}

/** The same in one line, for where lines cannot be taken back. */
export const progressSentence = ({ id, name, state, seconds, groups }: ProgressView): string => {
  const parts = groups.map((group) =>
    [`${plainLine(group.name)} ${endedOf(group)}/${group.total}`, ...numbersOf(group).map(({ text }) => text)].join(
      ', ',
    ),
  )
  return `${id} ${plainLine(name)} ${state}, ${duration(seconds)}${parts.length > 0 ? `: ${parts.join('; ')}` : ''}`
}

const headLine = ({ id, name, state, seconds }: ProgressView, style: Style): string => {
  const cell = stateCell('workflow', state, style)
  const took = ` ${duration(seconds)}`
  const room = style.columns - 1 - textWidth(`${id}  ${cell.text}${took}`)
  const shown = cutText(plainLine(name), Math.max(1, room))
  return fitting(
    [
      { text: `${id} `, paint: style.colors.bold },
      { text: `${shown} ` },
      cell,
      { text: took, paint: style.colors.dim },
    ],
    style.columns - 1,
  )
}

/** Names, bars and numbers stand below each other; a narrow terminal loses the bars first, and then the last of the numbers. */
const rowsOf = (groups: readonly Group[], style: Style): string[] => {
  const width = Math.min(style.columns, 120) - 1
  const names = groups.map(({ name }) => plainLine(name))
  const nameWidth = Math.min(maxNameWidth, Math.floor(width / 3), Math.max(0, ...names.map(textWidth)))
  const counts = groups.map((group) => `${endedOf(group)}/${group.total}`)
  const countWidth = Math.max(0, ...counts.map((text) => text.length))
  const numbers = groups.map((group) => numbersOf(group, style.colors))
  const numbersWidth = Math.max(0, ...numbers.map((parts) => parts.reduce((sum, { text }) => sum + text.length + 2, 0)))
  const left = width - 2 - nameWidth - 2 - countWidth - numbersWidth - 2
  const barWidth = left >= leastBarWidth ? Math.min(maxBarWidth, left) : 0
  return groups.map((group, i) => {
    const name = cutText(names[i]!, nameWidth)
    const head: Part[] = [
      { text: `  ${name}${' '.repeat(nameWidth - textWidth(name))}` },
      ...(barWidth > 0 ? barOf(group, barWidth, style) : []),
      { text: `  ${counts[i]!.padStart(countWidth)}` },
    ]
    return fitting([...head, ...numbers[i]!.map(({ text, paint }) => ({ text: `  ${text}`, paint }))], width)
  })
}

type Part = { text: string; paint?: (text: string) => string }

const numbersOf = ({ running, failed, cancelled, rate }: Group, colors?: Style['colors']): Part[] => [
  ...(running > 0 ? [{ text: `${running} running`, paint: colors?.cyan }] : []),
  ...(failed > 0 ? [{ text: `${failed} failed`, paint: colors?.red }] : []),
  ...(cancelled > 0 ? [{ text: `${cancelled} cancelled`, paint: colors?.yellow }] : []),
  ...(rate !== null ? [{ text: `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`, paint: colors?.dim }] : []),
]

/** What has ended, what of it ended badly, and what is left. Anything at all is one character at least; all is all only when it is. */
const barOf = ({ finished, failed, cancelled, total }: Group, width: number, { unicode, colors }: Style): Part[] => {
  const bad = Math.min(width, share(failed + cancelled, total, width))
  const good = Math.min(width - bad, share(finished, total, width))
  const [full, spoilt, empty] = unicode ? ['█', '▒', '·'] : ['#', 'x', '.']
  return [
    { text: '  ' },
    { text: full!.repeat(good), paint: colors.green },
    { text: spoilt!.repeat(bad), paint: colors.red },
    { text: empty!.repeat(width - good - bad), paint: colors.dim },
  ]
}

const share = (n: number, total: number, width: number): number =>
  n <= 0 ? 0 : Math.max(1, Math.floor((n * width) / Math.max(total, n)))

/** As many parts as there is room for. Each is whole or missing: half a number is a wrong one. */
const fitting = (parts: readonly Part[], width: number): string => {
  let line = ''
  let left = width
  for (const { text, paint } of parts) {
    left -= textWidth(text)
    if (left < 0) break
    line += paint && text !== '' ? paint(text) : text
  }
  return line
}
