/**
 * State machines as data: state × trigger → state. The tables are in `domain/<noun>/states.ts`; this is all that reads them.
 * A trigger that a state does not know is *stale*: an ordinary answer to a late message, not an exception.
 */
export type Table<State extends string, Trigger extends string> = {
  readonly [S in State]: { readonly [T in Trigger]?: State }
}

export type Step<State extends string> = { kind: 'moved'; from: State; to: State } | { kind: 'stale'; state: State }

export const step = <State extends string, Trigger extends string>(
  table: Table<State, Trigger>,
  from: State,
  trigger: Trigger,
): Step<State> => {
  const to = table[from][trigger]
  return to === undefined ? { kind: 'stale', state: from } : { kind: 'moved', from, to }
}

/** The states from which `trigger` moves: what a bulk statement puts into its `where state = any(…)`. */
export const statesLeftBy = <State extends string, Trigger extends string>(
  table: Table<State, Trigger>,
  trigger: Trigger,
): State[] => statesOf(table).filter((state) => table[state][trigger] !== undefined)

/** Where `trigger` leads when it leads to one place only, which a bulk statement needs. */
export const targetOf = <State extends string, Trigger extends string>(
  table: Table<State, Trigger>,
  trigger: Trigger,
): State => {
  const targets = new Set(statesLeftBy(table, trigger).map((state) => table[state][trigger] as State))
  if (targets.size !== 1) throw new Error(`${trigger} leads to ${targets.size} states; name the one you mean`)
  return [...targets][0]!
}

export const statesOf = <State extends string, Trigger extends string>(table: Table<State, Trigger>): State[] =>
  Object.keys(table) as State[]

/** States that nothing leaves. */
export const endsOf = <State extends string, Trigger extends string>(table: Table<State, Trigger>): State[] =>
  statesOf(table).filter((state) => Object.keys(table[state]).length === 0)
