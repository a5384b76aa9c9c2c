import { brotliDecompressSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'

/** The monitor as it was built: its page, and the files that the page loads, each compressed in two ways. */
export type Monitor = { index: string; assets: Map<string, Asset> }
export type Asset = { gzip: Buffer; brotli: Buffer }

/** Each of these is the same page; what it shows is decided by its address. */
const id = ':id(^[wtj][1-9]\\d{0,14}$)'
const trouble = ':trouble(^e[1-9]\\d{0,14}$)'
const queue = ':queue(^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$)'
const pagePaths = [
  ...['/', '/workflows', '/errors', `/errors/${trouble}`, '/queues', `/queues/${queue}`, '/reports', '/users'],
  ...[`/${id}`, `/${id}/:view(^[a-z]+$)`],
]

export const pageAddresses = pagePaths.map((path) => new RegExp(`^${path.replace(/:\w+\(\^(.+?)\$\)/g, '$1')}$`))

/** Scripts, styles and requests of its own server, and nothing else: no inline script, no inline style. */
const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** The name of a file has the hash of its content: under one name there is never anything else. */
const assetHeaders = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'public, max-age=31536000, immutable',
  vary: 'accept-encoding',
}

const types: Record<string, string> = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' }

export const serveMonitor = (app: FastifyInstance, { index, assets }: Monitor) => {
  for (const path of pagePaths)
    app.get(path, async (_request, reply) => reply.headers(pageHeaders).type('text/html; charset=utf-8').send(index))
  for (const [name, asset] of assets)
    app.get(`/assets/${name}`, async ({ headers }, reply) => {
      const { encoding, bytes } = packed(asset, String(headers['accept-encoding'] ?? ''))
      if (encoding) reply.header('content-encoding', encoding)
      return reply.headers(assetHeaders).type(types[name.split('.').at(-1)!]!).send(bytes)
    })
}

const packed = ({ gzip, brotli }: Asset, accepted: string): { encoding?: string; bytes: Buffer } => {
  if (/\bbr\b/.test(accepted)) return { encoding: 'br', bytes: brotli }
  if (/\bgzip\b/.test(accepted)) return { encoding: 'gzip', bytes: gzip }
  return { bytes: brotliDecompressSync(brotli) }
}
