import type { RemoteError } from '../../contract/jobs.ts'
import { showId } from '../../lib/ids.ts'
import type { Db } from '../../store/db.ts'
import { closeTask, lockTasks } from '../../store/tasks.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { moveTasks } from '../jobs/moveTasks.ts'

/** Why a task is stopped, for the history and for each of the jobs that are not begun any more. */
export const whyStopped = (taskId: number, jobId: number, error: RemoteError | undefined): string =>
  `${showId('t', taskId)} was stopped, since its other jobs would fail like ${showId('j', jobId)}${error ? `: ${error.type}: ${error.message.slice(0, 1000)}` : ''}`

/**
 * Takes no more jobs into a task and begins none; those under way end by themselves. The jobs that wait are cancelled afterwards, page by page (`cancelWaitingOf`): by
 * who stopped it, and by the agent that folds its counters. The locks of jobs are taken before.
 */
export const stopTask = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  taskId: number,
  why: string,
): Promise<boolean> => {
  const [task] = await lockTasks(tx, [taskId])
  if (task!.closed && task!.jobs === 1) return false
  const moved = await moveTasks(engine, tx, effects, [{ task: task!, trigger: 'finishAsked', why }])
  if (moved.length === 0) return false
  await closeTask(tx, taskId)
  effects.ring('agent:fold')
  return true
}
