import { readTraceparent, showTraceparent } from '../lib/trace.ts'

/**
 * The trace that a call is made in, as a W3C traceparent: of the program's active OpenTelemetry span, else what `TRACEPARENT` says, which the pilot sets for payloads
 * and other tools for their children. undefined outside any trace, which is the rule.
 */
export const currentTrace = (): string | undefined => activeSpan() ?? ofEnvironment()

type SpanContext = { traceId: string; spanId: string; traceFlags: number }
type Registered = {
  context?: { active(): { getValue(key: symbol): { spanContext(): SpanContext } | undefined } }
}

/**
 * Where the OpenTelemetry API of the program keeps what it registered, whichever copy of its package that is: the place is the same for all of major version 1, so that
 * copies find each other. To look there costs nothing where nobody traces; to import the package would cost every program its load.
 */
const place = Symbol.for('opentelemetry.js.api.1')
const spanKey = Symbol.for('OpenTelemetry Context Key SPAN')

const activeSpan = (): string | undefined => {
  const registered = (globalThis as Record<symbol, Registered | undefined>)[place]
  try {
    const span = registered?.context?.active().getValue(spanKey)?.spanContext()
    return span && checked(showTraceparent({ ...span, flags: span.traceFlags }))
  } catch {
    return undefined
  }
}

const ofEnvironment = (): string | undefined => checked(process.env.TRACEPARENT)

const checked = (text: string | undefined): string | undefined => (readTraceparent(text) ? text : undefined)
