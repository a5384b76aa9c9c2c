import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { fault } from '../contract/faults.ts'
import { getContent as readContent, readSigned, putContent as writeContent } from '../services/blobs.ts'
import type { Engine } from '../services/engine/engine.ts'

type Query = Record<string, string | undefined>

const hashOf = (request: FastifyRequest): string => (request.params as { hash: string }).hash

/** Bytes to a signed address. */
export const putContent = async (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const signed = readSigned(engine, 'PUT', hashOf(request), request.query as Query)
  const body = request.body as Readable | undefined
  if (!body || typeof body.pipe !== 'function') {
    if (signed.bytes > 0) throw fault('unsupported_media', 'send the bytes as application/octet-stream')
    await writeContent(engine, signed, nothing())
  } else await writeContent(engine, signed, body)
  return reply.code(204).send()
}

/** Bytes from a signed address. What is under a hash never changes. */
export const getContent = async (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const signed = readSigned(engine, 'GET', hashOf(request), request.query as Query)
  const { bytes, content } = await readContent(engine, signed)
  return reply
    .headers({
      'content-length': String(bytes),
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': 'attachment',
      'cache-control': 'private, immutable',
    })
    .send(content)
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
