/**
 * A promise that was broken: bad input, a missing thing, a database that is away. What is expected is a value, never a Fault.
 * `code` is one of the catalogue in `contract/faults.ts`, which also has its HTTP status and its sentence of help.
 */
export class Fault extends Error {
  readonly code: string
  declare readonly data?: Record<string, unknown>

  constructor(
    code: string,
    message: string,
    { data, cause }: { data?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    // Only what was given: whoever prints a fault sees no empty fields.
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'Fault'
    this.code = code
    if (data !== undefined) this.data = data
  }
}

export const isFault = (error: unknown, code?: string): error is Fault =>
  error instanceof Fault && (code === undefined || error.code === code)

/** What to print of anything that was thrown: its message, or what it says of itself. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
