import { fault } from '../../contract/faults.ts'

/** The largest key of a list whose keys are `integer` in the database. */
export const largestInteger = 2 ** 31 - 1

/** Cursors are the key of the last item, in base64url so that nobody reads more into them. */
export const showNext = (key: number | undefined): string | null =>
  key === undefined ? null : Buffer.from(String(key)).toString('base64url')

export const readAfter = (after: string | undefined, first: number, largest = Number.MAX_SAFE_INTEGER): number => {
  if (after === undefined) return first
  const text = Buffer.from(after, 'base64url').toString()
  if (!/^\d{1,15}$/.test(text) || Number(text) > largest)
    throw fault('invalid_cursor', `"${after.slice(0, 40)}" is not a cursor of this list`)
  return Number(text)
}

/** A page of `limit` from rows of which one more was asked for: so it is known whether there is more. */
export const pageOf = <Row, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => number,
  show: (row: Row) => Item,
): { items: Item[]; next: string | null } => {
  const items = rows.slice(0, limit)
  return { items: items.map(show), next: rows.length > limit ? showNext(keyOf(items[items.length - 1]!)) : null }
}

/** Cursors of lists whose key has several parts. What comes back is what somebody sent: its reader looks at each part. */
export const showKeys = (keys: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(keys)).toString('base64url')

export const readKeys = (after: string): unknown[] => {
  try {
    const keys: unknown = JSON.parse(Buffer.from(after, 'base64url').toString())
    return Array.isArray(keys) ? keys : []
  } catch {
    return []
  }
}
