import type { CheckpointView } from '../../contract/blobs.ts'
import { fault } from '../../contract/faults.ts'
import type { AttemptView, Job } from '../../contract/jobs.ts'
import { showId } from '../../lib/ids.ts'
import { type CheckpointRow, checkpointsOf } from '../../store/checkpoints.ts'
import { storyOfJob } from '../../store/history.ts'
import { taskOfJob } from '../../store/jobs.ts'
import { progressOf } from '../../store/told.ts'
import * as store from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { moveOf } from '../live/tailHistory.ts'
import { sentValue } from '../values.ts'
import { pageOf, readAfter } from './pages.ts'
import { showLine, showUsage } from './tasks.ts'

export const seeJob = async (engine: Engine, principal: Principal, id: number) => {
  const taskId = await taskOfJob(engine.db, id)
  const facts = taskId === undefined ? undefined : (await engine.tasks.get([taskId])).get(taskId)
  return demand(principal, 'read', facts, 'job_unknown')
}

export const getJob = async (engine: Engine, principal: Principal, id: number): Promise<Job> => {
  const task = await seeJob(engine, principal, id)
  // The state first: what belongs to it is there then.
  const line = await store.jobLineById(engine.db, id)
  const [spec, result, attempts, owner, progress, [checkpoint]] = await Promise.all([
    store.specOf(engine.db, id),
    store.resultOf(engine.db, id),
    store.attemptsOf(engine.db, id),
    store.personName(engine.db, task.ownerId),
    progressOf(engine.db, id),
    checkpointsOf(engine.db, [id]),
  ])
  if (!line || !spec) throw fault('job_unknown')
  return {
    ...showLine(line),
    workflowId: showId('w', task.workflowId),
    name: task.name,
    owner: owner?.name ?? '',
    cancelAsked: line.cancelAsked,
    memoryMb: await memoryOf(engine, line.laneId),
    args: sentValue(spec.args, spec.blob, spec.bytes)!,
    value: result ? sentValue(result.value, result.blob, result.bytes) : null,
    error: result?.error ? JSON.parse(result.error) : null,
    progress: progress ? { ...progress, at: progress.at.toISOString() } : null,
    checkpoint: checkpoint ? showCheckpoint(checkpoint) : null,
    attempts: attempts.map(showAttempt),
  }
}

/** The limit of jobs in this lane, MB; null when they have none. */
export const memoryOf = async (engine: Engine, laneId: number): Promise<number | null> =>
  (await engine.lanes.known(laneId)).memoryMb || null

export const jobHistory = async (
  engine: Engine,
  principal: Principal,
  id: number,
  q: { after?: string; limit: number },
) => {
  await seeJob(engine, principal, id)
  const rows = await storyOfJob(engine.db, id, readAfter(q.after, 0), q.limit + 1)
  return pageOf(rows, q.limit, (row) => row.seq, moveOf)
}

const showCheckpoint = ({ attempt, bytes, at }: CheckpointRow): CheckpointView => ({
  attempt,
  bytes,
  at: at.toISOString(),
})

const showAttempt = (a: store.AttemptViewRow): AttemptView => ({
  attempt: a.attempt,
  end: a.ending,
  pilotId: showId('p', a.pilotId),
  host: a.host,
  sentAt: a.sentAt.toISOString(),
  startedAt: a.startedAt?.toISOString() ?? null,
  endedAt: a.endedAt?.toISOString() ?? null,
  cause: a.cause,
  error: a.error ? JSON.parse(a.error) : null,
  exitCode: a.exitCode,
  signal: a.signal,
  usage: showUsage(a),
})
