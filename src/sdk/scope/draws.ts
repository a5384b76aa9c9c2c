import { createHash } from 'node:crypto'

export type Draws = {
  /** A number in [0, 1), of 53 random bits. */
  number(): Promise<number>
  /** A UUID of version 4. */
  uuid(): Promise<string>
}

/**
 * Chance that comes out the same when the program runs again: the n-th draw is the hash of a seed and n. The seed is
 * asked for at the first draw.
 */
export const makeDraws = (recordedSeed: () => Promise<string>): Draws => {
  let seed: Promise<string> | undefined
  let drawn = 0
  const draw = async (): Promise<Buffer> => {
    const n = drawn++
    seed ??= recordedSeed()
    return createHash('sha256')
      .update(`${await seed}:${n}`)
      .digest()
  }
  return {
    number: async () => Number((await draw()).readBigUInt64BE() >> 11n) / 2 ** 53,
    uuid: async () => {
      const bytes = await draw()
      bytes[6] = (bytes[6]! & 0x0f) | 0x40
      bytes[8] = (bytes[8]! & 0x3f) | 0x80
      return bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    },
  }
}
