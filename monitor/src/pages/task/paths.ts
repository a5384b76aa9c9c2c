import type { Value } from '../../../../src/contract/base.ts'
import { rounded } from '../../words/numbers.ts'
import { readable } from '../../words/tagged.ts'

/** JSON objects as columns: each member by its dot path, two levels deep; what is deeper stands as its text. */
export type Cells = Record<string, unknown>

const mostDepth = 2

/** Arguments are `{"a": [positional], "k": {named}}`; of one positional object its members stand for themselves. */
export const plainOf = (value: Value | undefined, name: 'arguments' | 'value'): Cells => {
  if (!value || !('text' in value)) return {}
  try {
    const plain: unknown = JSON.parse(value.text)
    return name === 'arguments' ? argumentsOf(plain) : cellsOf(plain, name)
  } catch {
    // The server takes any text for a value; one that is not JSON is shown as it is.
    return { [name]: value.text }
  }
}

const argumentsOf = (plain: unknown): Cells => {
  const { a = [], k = {} } = (plain ?? {}) as { a?: unknown[]; k?: Cells }
  const positional =
    a.length === 1 && isObject(a[0]) ? cellsOf(a[0], '') : cellsOf({ ...a }, a.length > 1 ? 'argument' : '')
  const { 0: only, ...rest } = positional
  return { ...(only === undefined ? positional : { argument: only, ...rest }), ...cellsOf(k, '') }
}

const isObject = (plain: unknown): plain is Cells =>
  typeof plain === 'object' && plain !== null && !Array.isArray(plain) && !('$culm' in plain)

const cellsOf = (plain: unknown, path: string, depth = 0): Cells => {
  if (!isObject(plain) || depth >= mostDepth) return { [path]: plain }
  return Object.assign(
    {},
    ...Object.entries(plain)
      .slice(0, 40)
      .map(([name, part]) => cellsOf(part, path && path !== 'value' ? `${path}.${name}` : name, depth + 1)),
  )
}

/** The paths of all of them, in the order in which they are met. */
export const pathsIn = (all: readonly Cells[]): string[] => [...new Set(all.flatMap((cells) => Object.keys(cells)))]

/** As a cell has room for it; the whole of it is seen when it is pointed at. */
export const cellWords = (cell: unknown): string =>
  typeof cell === 'number' && !Number.isInteger(cell) ? rounded(cell) : cellText(cell)

export const cellText = (cell: unknown): string => {
  if (cell === undefined) return ''
  return (typeof cell === 'string' ? cell : readable(JSON.stringify(cell))).slice(0, 200)
}
