import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fault } from '../contract/faults.ts'

/**
 * `/metrics` and `/healthz` of a process that has no other port: agents and pilots, when `--metrics-port` asks for it. On this machine only; no secret is in them.
 */
export const serveMetrics = async (
  text: () => Promise<string>,
  port: number,
): Promise<{ url: string; stop: () => Promise<void> }> => {
  const server = createServer(async (request, response) => {
    const path = request.url?.split('?', 1)[0]
    if (request.method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end()
    if (path === '/metrics') response.writeHead(200, { 'content-type': metricsType }).end(await text())
    else if (path === '/healthz') response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? fault('home_in_use', `port ${port} is in use by another program`, { port }, error)
          : error,
      ),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${bound}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Prometheus's text format. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8'
