/**
 * Makes a value once per process and keeps it warm: `export const model = setup(() => load('weights.bin'))`, and works
 * call `model()`. A process runs many jobs of one owner and one version of the source, one after the other; so the value
 * must not hold what belongs to one of them. What is made by an asynchronous function is one promise for all. What
 * failed is tried again the next time.
 */
export const setup = <T>(make: () => T): (() => T) => {
  if (typeof make !== 'function') throw new TypeError('setup takes a function that makes the value')
  let made: { value: T } | undefined
  return () => {
    if (made) return made.value
    const mine = { value: make() }
    made = mine
    const forget = () => {
      if (made === mine) made = undefined
    }
    if (isThenable(mine.value)) mine.value.then(undefined, forget)
    return mine.value
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
