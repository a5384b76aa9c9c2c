/**
 * Traces in the words of W3C and OpenTelemetry: a span is one piece of work with its times, and its `traceparent` is what its children name. Off by default: `main`
 * gives a real tracer where someone collects. Without one the `traceparent` of whoever asked is passed on as it came, so a trace goes through Culm all the same.
 */
export type Span = {
  /** What children name as their parent; null outside any trace. */
  readonly traceparent: string | null
  end(how?: { at?: Date; error?: string }): void
}

export type SpanStart = {
  parent?: string | null
  /** Short words and numbers: ids, names of routes. Never a value of a user. */
  attributes?: Record<string, string | number>
  at?: Date
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
}

export type Tracer = {
  /** Whether anybody collects: what only a collector would see need not be found out. */
  readonly collects: boolean
  start(name: string, start?: SpanStart): Span
  /** Sends what has not been sent yet; waits a few seconds at most. */
  close(): Promise<void>
}

export const noTracer: Tracer = {
  collects: false,
  start: (_name, { parent = null } = {}) => ({ traceparent: parent, end() {} }),
  close: async () => {},
}

/** Version 00 of W3C Trace Context: trace id, span id, flags. */
const form = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/** What a `traceparent` says; undefined when it is not one, as the standard wants it: a broken one starts a new trace. */
export const readTraceparent = (text: unknown): { traceId: string; spanId: string; flags: number } | undefined => {
  const [, traceId, spanId, flags] = (typeof text === 'string' && form.exec(text)) || []
  return traceId ? { traceId, spanId: spanId!, flags: Number.parseInt(flags!, 16) } : undefined
}

export const showTraceparent = (s: { traceId: string; spanId: string; flags: number }): string =>
  `00-${s.traceId}-${s.spanId}-${s.flags.toString(16).padStart(2, '0')}`
