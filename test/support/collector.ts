import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atEnd } from './atEnd.ts'

/** A span as OTLP's JSON has it, with its attributes as plain values. */
export type CollectedSpan = {
  service: string
  name: string
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  startMs: number
  endMs: number
  failed: boolean
  attributes: Record<string, string | number>
}

type Attribute = { key: string; value: { stringValue?: string; intValue?: string | number; doubleValue?: number } }
type Export = {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: {
      spans: {
        name: string
        traceId: string
        spanId: string
        parentSpanId?: string
        startTimeUnixNano: string
        endTimeUnixNano: string
        status?: { code?: number }
        attributes: Attribute[]
      }[]
    }[]
  }[]
}

/** A collector of traces on this machine that keeps what it is sent: OTLP over HTTP as exporters speak it. */
export const startCollector = async (): Promise<{ url: string; spans: CollectedSpan[] }> => {
  const spans: CollectedSpan[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const isExport = request.method === 'POST' && request.url === '/v1/traces'
    if (!isExport || request.headers['content-type'] !== 'application/json') return void response.writeHead(404).end()
    spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString()) as Export))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans }
}

const spansOf = ({ resourceSpans }: Export): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(plain(resource.attributes)['service.name'])
    return scopeSpans.flatMap((scope) =>
      scope.spans.map(
        ({ startTimeUnixNano, endTimeUnixNano, status, attributes, name, traceId, spanId, parentSpanId }) => ({
          service,
          name,
          traceId,
          spanId,
          parentSpanId,
          startMs: Number(startTimeUnixNano) / 1e6,
          endMs: Number(endTimeUnixNano) / 1e6,
          failed: status?.code === 2,
          attributes: plain(attributes),
        }),
      ),
    )
  })

const plain = (attributes: Attribute[]): Record<string, string | number> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.doubleValue ?? Number(value.intValue)]),
  )
