import { type Catalogue, type Instruments, noInstruments } from '../lib/metrics.ts'
import type { Tracer } from '../lib/trace.ts'
import { serveMetrics } from './metricsServer.ts'
import { openTracer } from './openTracer.ts'
import { prometheus } from './prometheus.ts'

/** What lets others watch this process. */
export type Watch<C extends Catalogue> = {
  metrics: Instruments<C>
  metricsText: () => Promise<string>
  tracer: Tracer
  stop: () => Promise<void>
}

export type WatchOptions = {
  env: NodeJS.ProcessEnv
  /** Address of a collector of traces; OpenTelemetry's own variables when left out. */
  traces?: string
  /** For processes that have no other port to be read at. */
  metricsPort?: number
  /** Its metrics are read at the port of its API. */
  hasApi?: boolean
}

/** Counts only where someone can read it, and traces only where someone collects: otherwise neither costs anything, nor is loaded. */
export const openWatch = async <C extends Catalogue>(
  service: string,
  catalogue: C,
  { env, traces, metricsPort, hasApi = false }: WatchOptions,
): Promise<Watch<C>> => {
  const { instruments, text } =
    hasApi || metricsPort !== undefined
      ? prometheus(catalogue)
      : { instruments: noInstruments(catalogue), text: async () => '' }
  const tracer = await openTracer(service, { env, url: traces })
  const port = metricsPort === undefined ? undefined : await serveMetrics(text, metricsPort)
  if (port) console.error(`metrics at ${port.url}/metrics`)
  return {
    metrics: instruments,
    metricsText: text,
    tracer,
    stop: async () => {
      await port?.stop()
      await tracer.close()
    },
  }
}
