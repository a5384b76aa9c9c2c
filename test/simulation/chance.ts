/** Draws that are the same for the same seed. Each actor has a stream of its own, so that one draw more in one place does not change all that follows elsewhere. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A stream of its own for whoever is called `name`. */
  of(name: string): Chance {
    return new Chance(mixed(this.#state ^ hashOf(name)))
  }

  /** In [0, 1): splitmix32, whose period of 2^32 is far beyond what one seed draws. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    return mixed(this.#state) / 2 ** 32
  }

  /** True in a share `p` of draws. */
  happens(p: number): boolean {
    return this.next() < p
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  /** Exponentially distributed: the time to the next of events that come independently. */
  around(mean: number): number {
    return -mean * Math.log(1 - this.next())
  }

  pick<T>(some: readonly T[]): T {
    return some[Math.floor(this.next() * some.length)]!
  }

  bytes(n: number): Buffer {
    return Buffer.from(Array.from({ length: n }, () => this.whole(0, 255)))
  }
}

const mixed = (bits: number): number => {
  let mix = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad)
  mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97)
  return (mix ^ (mix >>> 15)) >>> 0
}

/** FNV-1a. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
