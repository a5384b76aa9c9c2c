import type { FastifyReply, FastifyRequest } from 'fastify'
import { fault } from '../contract/faults.ts'
import { type Notice, type NoticeKind, notices } from '../contract/notices.ts'
import type { QueryOf } from '../contract/routes.ts'
import type { Engine } from '../services/engine.ts'
import { inScope, type Subscriber, scopeOf } from '../services/hub.ts'
import { cursorNow, missedSince } from '../services/tailHistory.ts'
import { mayListen } from '../services/views/workflows.ts'

const pingMs = 15_000

/** A reader that lets so much pile up is cut off: it comes back and resumes by its cursor, and the server's memory stays its own. */
const maxBacklogBytes = 16_000_000

/** The stream of one workflow. First what was missed since the cursor, then everything as it happens; nothing falls between the two. */
export const streamWorkflow = async (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const query = request.query as QueryOf<'streamWorkflow'>
  const workflowId = await mayListen(engine, request.principal, (request.params as { id: string }).id)
  const kinds = kindsOf(query.kinds)
  const scope = checkedScope(query.scope)
  const cursor = lastId(request) ?? query.cursor

  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  const write = (text: string) => {
    if (raw.destroyed) return
    raw.write(text)
    if (raw.writableLength > maxBacklogBytes) raw.destroy()
  }
  const waiting: string[] = []
  let catchingUp = cursor !== undefined
  const send: Subscriber['send'] = (notice, at) => {
    const text = frame(notice, at)
    if (catchingUp) waiting.push(text)
    else write(text)
  }
  const unsubscribe = engine.hub.subscribe({ workflowId, kinds, scope, send })
  const ping = setInterval(() => send({ kind: 'ping', data: { at: engine.clock().toISOString() } }), pingMs)
  raw.on('close', () => {
    clearInterval(ping)
    unsubscribe()
  })
  raw.flushHeaders()
  write(': open\n\n')
  try {
    if (cursor === undefined)
      return send({ kind: 'ping', data: { at: engine.clock().toISOString() } }, await cursorNow(engine))
    const missed = await missedSince(engine, workflowId, cursor)
    for (const { outcome, parentJobId } of missed.outcomes)
      if (kinds.has('outcome') && inScope(scope, parentJobId)) write(frame({ kind: 'outcome', data: outcome }))
    for (const move of missed.moves) if (kinds.has('move')) write(frame({ kind: 'move', data: move }))
    write(frame({ kind: 'ping', data: { at: engine.clock().toISOString() } }, missed.cursor))
    catchingUp = false
    for (const text of waiting) write(text)
  } catch (error) {
    engine.log.warn({ error: String(error), workflowId }, 'a stream could not catch up; the client resumes')
    raw.destroy()
  }
}

const frame = ({ kind, data }: Notice, cursor?: string): string =>
  `${cursor ? `id: ${cursor}\n` : ''}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`

const kindsOf = (text: string): Set<NoticeKind> => {
  const kinds = text.split(',').filter((kind) => kind !== '')
  for (const kind of kinds)
    if (!(kind in notices)) throw fault('invalid_input', `query.kinds: no kind is called "${kind.slice(0, 40)}"`)
  return new Set(kinds as NoticeKind[])
}

const checkedScope = (text: string): Subscriber['scope'] => {
  if (!/^(all|driver|j[1-9]\d{0,14})$/.test(text))
    throw fault('invalid_input', 'query.scope: all, driver, or the id of a job')
  return scopeOf(text)
}

const lastId = (request: FastifyRequest): string | undefined => {
  const id = request.headers['last-event-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}
