import type { GivenSecret } from '../contract/secrets.ts'

/** Shorter texts are left alone: taken out everywhere, they would take half of a log with them. */
const leastLength = 4

/** A line of a secret of several lines is told apart from ordinary words from this length on. */
const leastLine = 8

/** What must not be seen, each with the name that stands in its place. */
type Pattern = { text: string; shown: string }

/**
 * The texts by which the values of secrets would be seen: as they are, each line of theirs, as JSON and in a URL, and in base64, wherever in a longer text
 * they began. Longest first, so that a part never spoils the whole.
 */
const patternsOf = (secrets: readonly GivenSecret[]): Pattern[] => {
  const texts = new Map<string, string>()
  for (const { name, value } of secrets)
    if (value !== null)
      for (const text of formsOf(Buffer.from(value, 'base64')))
        if (text.length >= leastLength && !texts.has(text)) texts.set(text, `‹${name}›`)
  return [...texts].map(([text, shown]) => ({ text, shown })).sort((a, b) => b.text.length - a.text.length)
}

const formsOf = (bytes: Buffer): string[] => {
  const text = bytes.toString()
  const isText = Buffer.from(text).equals(bytes)
  const lines = isText ? text.split(/\r?\n/).filter((line) => line.length >= leastLine) : []
  const plain = isText ? [text, text.trimEnd(), ...lines] : []
  const base64 = bytes.length >= leastLength ? base64Of(bytes) : []
  return [...plain.flatMap((one) => [one, asJson(one), asAsciiJson(one), asUrl(one)]), ...base64]
}

const asJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** As Python writes JSON. */
const asAsciiJson = (text: string): string =>
  asJson(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

const asUrl = (text: string): string => (text.isWellFormed() ? encodeURIComponent(text) : text)

/** Three bytes make four characters, so there are three ways to be written, by how many bytes go before; characters that neighbours share are left out. */
const base64Of = (bytes: Buffer): string[] =>
  [0, 1, 2].flatMap((before) => {
    const written = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const whole = Math.floor(((before + bytes.length) * 8) / 6)
    const own = written.slice(Math.ceil((before * 8) / 6), whole)
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')]
  })

/** Finds them, leftmost first, and of those that begin at one place the longest. Null when there is nothing to hide. */
export type Hidden = { pattern: RegExp; shown: Map<string, string> } | null

export const hiddenIn = (secrets: readonly GivenSecret[]): Hidden => {
  const patterns = patternsOf(secrets)
  if (patterns.length === 0) return null
  const escaped = patterns.map(({ text }) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return {
    pattern: new RegExp(escaped.join('|'), 'g'),
    shown: new Map(patterns.map(({ text, shown }) => [text, shown])),
  }
}

export const redact = (text: string, hidden: Hidden): string =>
  hidden === null ? text : text.replace(hidden.pattern, (found) => hidden.shown.get(found)!)

/** The same for a text that comes in pieces: what may be the beginning of a secret is held back until it is known to be none. */
export class Redaction {
  readonly #hidden: NonNullable<Hidden>
  #held = ''

  constructor(hidden: NonNullable<Hidden>) {
    this.#hidden = hidden
  }

  write(text: string): string {
    const all = this.#held + text
    const { pattern, shown } = this.#hidden
    let done = ''
    let at = 0
    let open = this.#openFrom(all, 0)
    for (const found of all.matchAll(pattern)) {
      // A longer one may have begun before it: then it is not yet known which of them it is.
      if (found.index >= open) break
      done += all.slice(at, found.index) + shown.get(found[0])!
      at = found.index + found[0].length
      if (at > open) open = this.#openFrom(all, at)
    }
    this.#held = all.slice(open)
    return done + all.slice(at, open)
  }

  /** Nothing comes any more. */
  end(): string {
    const rest = redact(this.#held, this.#hidden)
    this.#held = ''
    return rest
  }

  /** The first place, from `from` on, where what is left is the beginning of a secret. */
  #openFrom(all: string, from: number): number {
    let open = all.length
    for (const text of this.#hidden.shown.keys()) {
      const first = Math.max(from, all.length - text.length + 1)
      for (let at = all.indexOf(text[0]!, first); at >= 0 && at < open; at = all.indexOf(text[0]!, at + 1))
        if (text.startsWith(all.slice(at))) open = at
    }
    return open
  }
}
