/**
 * One thing that the program of a driver or job was told. `source` is what it was told of: a call or map by its task
 * (`t34`), a record by its key (`=now:0`), a call that was refused by its key too, a workflow function that it had
 * called by its workflow (`w13`).
 */
export type Told = { source: string } & What

export type What =
  /** The value of a call; all outcomes of a map; the value of a record; the end of a workflow. */
  | { what: 'all' }
  /** One outcome of a map, handed out by iteration. */
  | { what: 'one'; index: number }
  /** The first failure of a map whose values are awaited. */
  | { what: 'failure'; index: number }
  /** There is no outcome: it could not be submitted, or its outcome could not be fetched. */
  | { what: 'error'; code: string; message: string }

/**
 * What a write to the journal says its writer had been told, as text: `[FROM, item, …]`, FROM being how much it had been told
 * before the first item. A write repeats what is not yet known to be stored, so FROM tells which items of several
 * writes are the same ones.
 */
export const seenText = (from: number, tolds: readonly Told[]): string => {
  const items: unknown[] = [from]
  let handed: unknown[] = []
  for (const told of tolds) {
    if (told.what === 'one' && handed[0] === told.source) {
      handed.push(told.index)
      continue
    }
    const item = itemOf(told)
    handed = told.what === 'one' ? (item as unknown[]) : []
    items.push(item)
  }
  return JSON.stringify(items)
}

const itemOf = (told: Told): unknown => {
  switch (told.what) {
    case 'all':
      return told.source
    case 'one':
      return [told.source, told.index]
    case 'failure':
      return `${told.source}!${told.index}`
    case 'error':
      return [`!${told.source}`, told.code, told.message]
  }
}

/** The inverse of `seenText`; of a write that says nothing, nothing was told before. */
export const readSeen = (text: string | null): { from: number; tolds: Told[] } => {
  const [from, ...items] = (text === null ? [0] : JSON.parse(text)) as [number, ...(string | [string, ...unknown[]])[]]
  return { from, tolds: items.flatMap(toldsOf) }
}

const toldsOf = (item: string | [string, ...unknown[]]): Told[] => {
  if (typeof item === 'string') {
    const [, source, index] = item.match(/^(t\d+)!(\d+)$/) ?? []
    return source ? [{ source, what: 'failure', index: Number(index) }] : [{ source: item, what: 'all' }]
  }
  const [source, ...rest] = item
  if (source.startsWith('!')) {
    const [code, message] = rest as [string, string]
    return [{ source: source.slice(1), what: 'error', code, message }]
  }
  return (rest as number[]).map((index) => ({ source, what: 'one', index }))
}
