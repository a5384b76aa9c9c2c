import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Notice, NoticeKind } from '../contract/notices.ts'
import type { QueryOf } from '../contract/routes.ts'
import { isFault } from '../lib/fault.ts'
import { experimentOf } from '../services/access/rights.ts'
import type { Engine } from '../services/engine/engine.ts'
import { inScope, type Subscriber, scopeOf } from '../services/engine/hub.ts'
import { cursorNow, missedSince } from '../services/live/tailHistory.ts'
import { mayListen } from '../services/views/workflows.ts'
import { principalOf } from './session.ts'

const pingMs = 15_000

/** A reader that lets so much pile up is cut off: it comes back and resumes by its cursor, and the server's memory stays its own. */
const maxBacklogBytes = 16_000_000

const streamHeaders = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

/** The stream of one workflow. First what was missed since the cursor, then everything as it happens; nothing falls between the two. */
export const streamWorkflow = async (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const query = request.query as QueryOf<'streamWorkflow'>
  const workflowId = await mayListen(engine, request.principal, (request.params as { id: string }).id)
  const kinds = kindsOf(query.kinds)
  const scope = scopeOf(query.scope)
  const cursor = lastId(request) ?? query.cursor

  reply.hijack()
  const { raw } = reply
  // Who went while it was looked up what he may hear is told of by nobody any more.
  if (raw.destroyed) return
  raw.writeHead(200, streamHeaders)
  const write = inOneGo(kinds.has('outcomes'), (text) => {
    if (raw.destroyed) return
    raw.write(text)
    // Now, not in the next turn as Node would: somebody waits for this longer than for anything else that this turn sends.
    raw.socket?.uncork()
    if (raw.writableLength > maxBacklogBytes) raw.destroy()
  })
  const waiting: Written[] = []
  let catchingUp = cursor !== undefined
  const send: Subscriber['send'] = (notice, at) => {
    if (catchingUp) waiting.push({ notice, cursor: at })
    else write({ notice, cursor: at })
  }
  const unsubscribe = engine.hub.subscribe({ workflowId, kinds, scope, send })
  const ping = setInterval(() => {
    send({ kind: 'ping', data: { at: engine.clock().toISOString() } })
    void endIfOver(engine, request, () => raw.destroy())
  }, pingMs)
  raw.on('close', () => {
    clearInterval(ping)
    unsubscribe()
  })
  raw.flushHeaders()
  raw.write(': open\n\n')
  try {
    if (cursor === undefined)
      return send({ kind: 'ping', data: { at: engine.clock().toISOString() } }, await cursorNow(engine))
    const missed = await missedSince(engine, workflowId, cursor)
    for (const { outcome, parentJobId } of missed.outcomes)
      if ((kinds.has('outcome') || kinds.has('outcomes')) && inScope(scope, parentJobId))
        write({ notice: { kind: 'outcome', data: outcome } })
    for (const move of missed.moves) if (kinds.has('move')) write({ notice: { kind: 'move', data: move } })
    write({ notice: { kind: 'ping', data: { at: engine.clock().toISOString() } }, cursor: missed.cursor })
    catchingUp = false
    for (const written of waiting) write(written)
  } catch (error) {
    engine.log.warn({ error: String(error), workflowId }, 'a stream could not catch up; the client resumes')
    raw.destroy()
  }
}

/** A viewer who has so much still to read is sent no frame; once he has read it he is told to look again. */
const maxUnreadBytes = 256_000

/** The stream of an experiment: frames as they are made, and nothing of before. Who reads too slowly misses some, who reads nothing at all is cut off. */
export const streamExperiment = (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const experimentId = experimentOf(request.principal)
  reply.hijack()
  const { raw } = reply
  if (raw.destroyed) return
  raw.writeHead(200, streamHeaders)
  let isBehind = false
  const send = (bytes: Buffer) => {
    if (raw.destroyed) return
    if (raw.writableLength > maxUnreadBytes) isBehind = true
    else {
      if (isBehind) raw.write('event: lookAgain\ndata: {}\n\n')
      isBehind = false
      raw.write(bytes)
    }
  }
  const sendPing = () => send(Buffer.from(frame({ kind: 'ping', data: { at: engine.clock().toISOString() } })))
  const unsubscribe = engine.viewers.subscribe(experimentId, send)
  const ping = setInterval(() => {
    if (isBehind) raw.destroy()
    else sendPing()
    void endIfOver(engine, request, () => raw.destroy())
  }, pingMs)
  raw.on('close', () => {
    clearInterval(ping)
    unsubscribe()
  })
  raw.flushHeaders()
  sendPing()
}

/** A token that was taken back, a session that is over, or the end of the attempt that it belonged to, ends what was opened with it too. */
const endIfOver = async (engine: Engine, request: FastifyRequest, end: () => void): Promise<void> => {
  try {
    await principalOf(engine, request)
  } catch (error) {
    if (isFault(error, 'unauthenticated')) end()
  }
}

type Written = { notice: Notice; cursor?: string }

/** What is written in one turn goes in one piece, with the outcomes in one list if that is wanted: those of a batch cost one write, not a thousand. */
const inOneGo = (asLists: boolean, write: (text: string) => void): ((written: Written) => void) => {
  let waiting: Written[] = []
  const flush = () => {
    const all = asLists ? withLists(waiting) : waiting
    waiting = []
    write(all.map(({ notice, cursor }) => frame(notice, cursor)).join(''))
  }
  return (written) => {
    if (waiting.push(written) === 1) queueMicrotask(flush)
  }
}

const withLists = (all: Written[]): Written[] => {
  const written: Written[] = []
  for (const one of all) {
    const last = written.at(-1)?.notice
    if (one.notice.kind !== 'outcome') written.push(one)
    else if (last?.kind === 'outcomes') last.data.push(one.notice.data)
    else written.push({ notice: { kind: 'outcomes', data: [one.notice.data] } })
  }
  return written
}

const frame = ({ kind, data }: Notice, cursor?: string): string =>
  `${cursor ? `id: ${cursor}\n` : ''}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`

const kindsOf = (text: string): Set<NoticeKind> => new Set(text.split(',') as NoticeKind[])

const lastId = (request: FastifyRequest): string | undefined => {
  const id = request.headers['last-event-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}
