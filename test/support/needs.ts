import { describe } from 'vitest'

/**
 * Tests that need something of the machine: without it they are skipped under a name that says what is missing. With CULM_REQUIRE_ALL=1 they run all the same,
 * and fail.
 */
export const describeNeeding = (missing: string | null) => (name: string, tests: () => void) =>
  missing === null || process.env.CULM_REQUIRE_ALL === '1'
    ? describe(name, tests)
    : describe.skip(`${name} (skipped: ${missing})`, tests)
