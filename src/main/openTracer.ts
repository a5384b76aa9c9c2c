import type { SpanKind } from '@opentelemetry/api'
import { noTracer, readTraceparent, showTraceparent, type Tracer } from '../lib/trace.ts'
import { version } from './files.ts'

/** How long the last spans may take to be sent, ms. */
const lastSendMs = 3000

/**
 * The tracer of this process: none unless somebody collects, by `--traces URL` or by OpenTelemetry's own variables (which set headers, limits and sampling too).
 * Its packages are loaded only then: they take longer to load than most commands run.
 */
export const openTracer = async (
  service: string,
  { env, url }: { env: NodeJS.ProcessEnv; url?: string },
): Promise<Tracer> => {
  const isWanted = url || env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  if (!isWanted || env.OTEL_SDK_DISABLED === 'true') return noTracer
  const [api, { BasicTracerProvider, BatchSpanProcessor }, { resourceFromAttributes }, { OTLPTraceExporter }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ])
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': env.OTEL_SERVICE_NAME ?? service,
      'service.version': version,
      'process.pid': process.pid,
    }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(url ? { url: tracesAt(url) } : {}))],
  })
  const tracer = provider.getTracer('culm', version)
  const kinds: Record<string, SpanKind> = {
    internal: api.SpanKind.INTERNAL,
    server: api.SpanKind.SERVER,
    client: api.SpanKind.CLIENT,
    producer: api.SpanKind.PRODUCER,
    consumer: api.SpanKind.CONSUMER,
  }
  return {
    collects: true,
    start: (name, { parent, attributes, at, kind = 'internal' } = {}) => {
      const from = readTraceparent(parent)
      const context = from
        ? api.trace.setSpanContext(api.ROOT_CONTEXT, {
            traceId: from.traceId,
            spanId: from.spanId,
            traceFlags: from.flags,
            isRemote: true,
          })
        : api.ROOT_CONTEXT
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes, startTime: at }, context)
      const { traceId, spanId, traceFlags } = span.spanContext()
      return {
        traceparent: showTraceparent({ traceId, spanId, flags: traceFlags }),
        end: ({ at, error } = {}) => {
          if (error !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: error })
          span.end(at)
        },
      }
    },
    close: async () => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, lastSendMs).unref())
      await Promise.race([provider.shutdown().catch(() => {}), late])
    },
  }
}

/** As OpenTelemetry has it: the address of a collector, below which traces have their place. */
const tracesAt = (url: string): string => (/\/v1\/traces\/?$/.test(url) ? url : `${url.replace(/\/$/, '')}/v1/traces`)
