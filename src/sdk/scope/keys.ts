import { createHash } from 'node:crypto'
import { sha256 } from '../../lib/digest.ts'

/** A key is kept in a column of so many characters, of which hash and ordinal need some. */
const longestName = 140

/**
 * Names each use of a work within one driver or job, so that a driver which starts again finds what its earlier self
 * had asked for: module, export, hash of the arguments, and the ordinal among equals. The same program makes the same
 * keys, in whatever order its concurrent parts run, since only equal uses share an ordinal, and equal uses are each
 * as good as the other.
 */
export const makeKeys = () => {
  const ordinal = makeOrdinals()
  return (module: string, name: string, texts: Iterable<string>): string => {
    const hash = createHash('sha256')
    for (const text of texts) hash.update(text).update('\n')
    return ordinal(`${short(`${module}#${name}`)}:${hash.digest('hex').slice(0, 32)}`)
  }
}

/** The key of a record: what it is, and the ordinal among equals. */
export const makeRecordKeys = () => {
  const ordinal = makeOrdinals()
  return (name: string): string => ordinal(short(name))
}

/** `name:0`, `name:1` … for each name. */
export const makeOrdinals = () => {
  const uses = new Map<string, number>()
  return (name: string): string => {
    const n = uses.get(name) ?? 0
    uses.set(name, n + 1)
    return `${name}:${n}`
  }
}

/** A key as people read it: without the hash of the arguments. */
export const readableKey = (key: string): string => {
  const [, name, ordinal] = key.match(/^(.*?)(?::[0-9a-f]{32})?:(\d+)$/s) ?? []
  if (name === undefined) return key
  return ordinal === '0' ? name : `${name} (number ${Number(ordinal) + 1} of its kind)`
}

const short = (name: string): string =>
  name.length <= longestName ? name : `${sha256(name).slice(0, 32)}…${name.slice(33 - longestName)}`
