/** Where a work was defined. */
export type CallSite = {
  /** The module as the runtime names it: a file URL (ESM) or a path (CommonJS). */
  module: string
  /** `file:line:column` in the source as it was written, when source maps are on; for people, and to find the line. */
  place(): string
}

/**
 * Takes the caller of `below` from the stack. Two readings: the module's exact name is in the structured one, the
 * source's own lines in the printed one.
 */
export const captureCallSite = (below: (...args: never[]) => unknown): CallSite => {
  const { prepareStackTrace, stackTraceLimit } = Error
  const structured: { stack?: NodeJS.CallSite[] } = {}
  const printed: { stack?: string } = {}
  try {
    Error.stackTraceLimit = 1
    Error.captureStackTrace(printed, below)
    Error.prepareStackTrace = (_, sites) => sites
    Error.captureStackTrace(structured, below)
    const module = structured.stack?.[0]?.getFileName() ?? ''
    return { module, place: () => placeIn(printed.stack ?? '') ?? module }
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** `    at name (file:///x/y.ts:5:19)` or without name and brackets. */
const placeIn = (stack: string): string | undefined => {
  const place = stack.match(/\n\s+at (?:.*\()?(.+:\d+:\d+)\)?\s*$/)?.[1]
  return place?.startsWith('file://') ? decodeURI(new URL(place).pathname) : place
}
