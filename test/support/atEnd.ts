import { afterAll } from 'vitest'

const acts: (() => unknown)[] = []

afterAll(async () => {
  const failures: unknown[] = []
  for (const act of acts.splice(0).reverse())
    try {
      await act()
    } catch (error) {
      failures.push(error)
    }
  if (failures.length > 0) throw new AggregateError(failures, 'what a test file had begun could not be ended')
}, 120_000)

/** Does it when the tests of this file have ended, the latest first. An `afterAll` of one’s own is heard only while tests are collected, and not from within a hook. */
export const atEnd = (act: () => unknown): void => void acts.push(act)
