import { statesOf, type Table } from '../../src/lib/machine.ts'

type AnyTable = Table<string, string>

/** Where one can come from `starts`, themselves included. */
export const reachable = (table: AnyTable, starts: readonly string[]): Set<string> => {
  const seen = new Set(starts)
  for (const state of seen) for (const to of Object.values(table[state]!)) if (to) seen.add(to)
  return seen
}

/** Active states from which no sequence of triggers leads to an end. */
export const stuck = (table: AnyTable, ends: readonly string[]): string[] =>
  statesOf(table).filter((state) => !ends.some((end) => reachable(table, [state]).has(end)))

/** The triggers that lead out of `states`. */
export const waysOut = (table: AnyTable, states: readonly string[]): string[] => [
  ...new Set(states.flatMap((state) => Object.keys(table[state]!))),
]

/** Every trigger that any state knows. */
export const triggersOf = (table: AnyTable): string[] => waysOut(table, statesOf(table))

/** The state after these triggers, those that are stale left out. */
export const settle = (table: AnyTable, from: string, triggers: readonly string[]): string =>
  triggers.reduce((state, trigger) => table[state]![trigger] ?? state, from)
