import { hasEnded } from '../../domain/job/states.ts'
import { readId } from '../../lib/ids.ts'
import { taskOfJob } from '../../store/jobs.ts'
import { insertLogs, lastOfLog, logAfter } from '../../store/logs.ts'
import { jobLineById } from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { livingPilot } from './pilots.ts'

type Chunk = { jobId: string; attempt: number; stream: 'stdout' | 'stderr'; offset: number; text: string }

/** Keeps what jobs of this pilot printed. `kept` is less than was sent when parts were repeated or belong to an attempt that is not its. */
export const keepLogs = async (
  engine: Engine,
  principal: Principal,
  pilotId: number,
  epoch: number,
  chunks: Chunk[],
): Promise<{ kept: number }> => {
  await livingPilot(engine, principal, pilotId, epoch)
  const rows = chunks.map((c) => ({
    jobId: readId('j', c.jobId)!,
    attempt: c.attempt,
    stream: c.stream,
    start: c.offset,
    body: Buffer.from(c.text),
  }))
  const kept = await transact(engine, async (tx, effects) => {
    effects.ring(...rows.map((row) => `log:${row.jobId}` as const))
    return insertLogs(tx, pilotId, rows)
  })
  return { kept }
}

/** What a job printed after `after`, or its `last` pieces, waiting for more when there is nothing yet and it still runs. `ended` says that nothing more will come. */
export const readLog = async (
  engine: Engine,
  principal: Principal,
  jobId: number,
  {
    after,
    last,
    attempt,
    waitSeconds,
  }: { after: number; last: number | null; attempt: number | null; waitSeconds: number },
  signal: AbortSignal,
) => {
  const taskId = await taskOfJob(engine.db, jobId)
  demand(
    principal,
    'read',
    taskId === undefined ? undefined : (await engine.tasks.get([taskId])).get(taskId),
    'job_unknown',
  )
  const until = engine.clock().getTime() + waitSeconds * 1000
  let quiet = waitSeconds === 0
  for (;;) {
    const { rung, cancel } = engine.bell.arm([`log:${jobId}`])
    try {
      // The state first: what was printed before the end is then in the rows that follow.
      const state = (await jobLineById(engine.db, jobId))!.state
      const rows = last
        ? await lastOfLog(engine.db, jobId, attempt, last)
        : await logAfter(engine.db, jobId, attempt, after, 200)
      const left = until - engine.clock().getTime()
      // The last words come a moment after the report of the end, which does not wait for them.
      const ended = hasEnded(state) && rows.length === 0 && quiet
      quiet = hasEnded(state)
      if (rows.length > 0 || ended || left <= 0 || signal.aborted)
        return { items: rows.map(chunkOf), next: String(rows.at(-1)?.seq ?? after), ended }
      await engine.wait(rung, Math.min(left, 1000), signal)
    } finally {
      cancel()
    }
  }
}

const chunkOf = (row: { attempt: number; stream: 'stdout' | 'stderr'; start: number; body: Buffer }) => ({
  attempt: row.attempt,
  stream: row.stream,
  offset: row.start,
  text: row.body.toString('utf8'),
})
