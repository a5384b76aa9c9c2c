import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UsageQuery } from '../contract/usage.ts'
import type { Engine } from '../services/engine/engine.ts'
import { usageReport, usageTable } from '../services/views/usage.ts'
import { csvLine } from './csv.ts'

const header = 'at,name,attempts,finished,failed,cancelled,wall_seconds,cpu_seconds\r\n'

/** A report, or its table as a file. */
export const sendUsage = async (engine: Engine, request: FastifyRequest, reply: FastifyReply) => {
  const query = request.query as UsageQuery
  if (query.format === 'json') return reply.send(await usageReport(engine, request.principal, query))
  const rows = await usageTable(engine, request.principal, query)
  const lines = rows.map((r) =>
    csvLine([
      ...[r.at?.toISOString() ?? '', r.name ?? ''],
      ...[r.attempts, r.finished, r.failed, r.cancelled, r.wallSeconds, r.cpuSeconds],
    ]),
  )
  return reply
    .type('text/csv; charset=utf-8; header=present')
    .header('content-disposition', 'attachment; filename="usage.csv"')
    .send(header + lines.join(''))
}
