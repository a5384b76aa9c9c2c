import { sleep } from '../../src/lib/clock.ts'

/** Waits until `look` gives something; fails with what it waited for. */
export const eventually = async <T>(
  look: () => Promise<T | undefined | false | null>,
  what: string,
  withinMs: number,
  everyMs = 50,
): Promise<T> => {
  const until = performance.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > until) throw new Error(`not within ${withinMs / 1000} s: ${what}`)
    await sleep(everyMs)
  }
}
