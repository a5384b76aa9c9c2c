import { createHash } from 'node:crypto'

/** So many lines are kept for people; all of them are in the digest. */
const maxLines = 300_000

/** What happened, a line each: its digest says whether two runs were the same, its lines what led to a fault. */
export class Chronicle {
  readonly #clock: () => Date
  readonly #hash = createHash('sha256')
  #lines: string[] = []
  count = 0

  constructor(clock: () => Date) {
    this.#clock = clock
  }

  note(who: string, what: string): void {
    const line = `${this.#clock().toISOString().slice(11, 23)} ${who.padEnd(10)} ${what}`
    this.#hash.update(line).update('\n')
    this.#lines.push(line)
    this.count++
    if (this.#lines.length > 2 * maxLines) this.#lines = this.#lines.slice(-maxLines)
  }

  /** What else belongs to the history: the rows of the database. */
  add(text: string): void {
    this.#hash.update(text)
  }

  /** Once, at the end. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  /** The lines that name any of `words` (ids such as j17). */
  about(words: readonly string[], most = 80): string[] {
    const named = new RegExp(`\\b(${words.join('|')})\\b`)
    return this.#lines.filter((line) => named.test(line)).slice(-most)
  }

  last(n: number): string[] {
    return this.#lines.slice(-n)
  }
}
