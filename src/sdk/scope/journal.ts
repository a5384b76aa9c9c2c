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
export const makeJournal = () => {
  const uses = new Map<string, number>()
  return (module: string, name: string, texts: Iterable<string>): string => {
    const hash = createHash('sha256')
    for (const text of texts) hash.update(text).update('\n')
    const kind = `${short(`${module}#${name}`)}:${hash.digest('hex').slice(0, 32)}`
    const ordinal = uses.get(kind) ?? 0
    uses.set(kind, ordinal + 1)
    return `${kind}:${ordinal}`
  }
}

const short = (name: string): string =>
  name.length <= longestName ? name : `${sha256(name).slice(0, 32)}…${name.slice(33 - longestName)}`
