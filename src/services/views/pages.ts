import { fault } from '../../contract/faults.ts'
import type { Label, ListFilter, Looked } from '../../store/lists.ts'

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

/**
 * So many rows are looked at for a page at most, whatever is looked for: the rarest of 10^5 tasks was found in 0.4 s, and of 10^6 it would be in ten times that. A page may so have few items, or
 * none, and a `next`.
 */
export const reach = 10_000

type Reached = { fits: boolean | null; isLast: boolean }

/** A page of `limit` from rows of which one more was asked for, and of which the last may only say how far was looked. */
export const pageReached = <Row extends Reached, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => number,
  show: (row: Row) => Item,
): { items: Item[]; next: string | null } => {
  const page = pageOf(
    rows.filter(({ fits }) => fits),
    limit,
    keyOf,
    show,
  )
  const last = rows.at(-1)
  return page.next === null && last?.isLast ? { ...page, next: showNext(keyOf(last)) } : page
}

/** The same where ids are read first, and what stands in their lines afterwards. */
export const pageOfIds = async <Row, Item>(
  looked: Looked[],
  limit: number,
  read: (ids: number[]) => Promise<Row[]>,
  show: (row: Row) => Item,
): Promise<{ items: Item[]; next: string | null }> => {
  const { items: ids, next } = pageReached(
    looked,
    limit,
    ({ id }) => id,
    ({ id }) => id,
  )
  const rows = ids.length > 0 ? await read(ids) : []
  return { items: rows.map(show), next }
}

/** What is asked of a list of workflows or tasks. */
type Asked = {
  state?: string | string[]
  owner?: string
  text?: string
  label?: string | string[]
  since?: string
  until?: string
  after?: string
  limit: number
}

/** As the store takes it. */
export const filterOf = (q: Asked): { filter: Omit<ListFilter, 'experimentId'>; labels: Label[] } => {
  const labels = q.label === undefined ? [] : [q.label].flat().map(labelIn)
  const filter = {
    states: q.state === undefined ? null : [q.state].flat(),
    owner: q.owner ?? null,
    text: q.text?.toLowerCase() ?? null,
    labels: labels.length > 0 ? labels.map((l) => JSON.stringify({ [l.name]: l.value })) : null,
    since: q.since === undefined ? null : new Date(q.since),
    until: q.until === undefined ? null : new Date(q.until),
    below: readAfter(q.after, Number.MAX_SAFE_INTEGER),
    limit: q.limit + 1,
    reach,
  }
  return { filter, labels }
}

const labelIn = (text: string): Label => {
  const at = text.indexOf('=')
  return { name: text.slice(0, at), value: text.slice(at + 1) }
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
