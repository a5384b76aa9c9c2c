import { seenText, type Told } from './seen.ts'

/**
 * So much may be unstored while a write is under way; a further write then waits for that one. It bounds what writes
 * repeat: a thousand calls at once are no thousand copies of a thousand lines.
 */
const mostRepeated = 256

/**
 * What the program was told, in order, as far as the server is not known to have stored it. A write to the journal
 * takes it along, and stores it.
 */
export class ToldLog {
  #stored = 0
  #unstored: Told[] = []
  #underWay = 0
  readonly #waiting = new Set<{ position: number; go: () => void }>()

  /** How many things the program was told so far, in all starts. */
  get position(): number {
    return this.#stored + this.#unstored.length
  }

  push(told: Told): void {
    this.#unstored.push(told)
  }

  /** It was told again what the journal has. */
  pushStored(): void {
    this.#stored++
  }

  /** What a write says that was made at `position`. Each `begin` is followed by one `end`. */
  async begin(position: number): Promise<string> {
    if (this.#waiting.size > 0 || this.#isTooMuch(position))
      await new Promise<void>((go) => this.#waiting.add({ position, go }))
    else this.#underWay++
    const from = Math.min(this.#stored, position)
    return seenText(from, this.#unstored.slice(0, position - from))
  }

  end(position: number, isStored: boolean): void {
    this.#underWay--
    if (isStored && position > this.#stored) {
      this.#unstored.splice(0, position - this.#stored)
      this.#stored = position
    }
    for (const waiting of this.#waiting) {
      if (this.#isTooMuch(waiting.position)) return
      this.#waiting.delete(waiting)
      this.#underWay++
      waiting.go()
    }
  }

  #isTooMuch(position: number): boolean {
    return this.#underWay > 0 && position - this.#stored > mostRepeated
  }
}
