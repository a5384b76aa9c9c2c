import { type TaskTrigger, taskHasEnded, taskTable } from '../../domain/task/states.ts'
import { showId } from '../../lib/ids.ts'
import { step } from '../../lib/machine.ts'
import type { Db } from '../../store/db.ts'
import * as store from '../../store/tasks.ts'
import type { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'

export type TaskHappening = { task: store.TaskRow; trigger: TaskTrigger; why?: string | null }

/** The one door through which tasks move. The caller holds their locks; what the table does not know is stale, and left out of the answer. */
export const moveTasks = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  happenings: TaskHappening[],
): Promise<store.TaskMove[]> => {
  const moves = happenings.flatMap(({ task: { id, workflowId, state }, trigger, why = null }): store.TaskMove[] => {
    const stepped = step(taskTable, state, trigger)
    if (stepped.kind === 'stale') return []
    const cameFrom = stepped.to === 'paused' && state !== 'paused' ? state : null
    return [{ id, workflowId, from: state, to: stepped.to, trigger, why, ended: taskHasEnded(stepped.to), cameFrom }]
  })
  if (moves.length === 0) return moves
  const now = engine.clock()
  await store.moveTasks(tx, moves, now)
  for (const { id, workflowId, from, to, trigger, why } of moves)
    effects.moves.push({
      workflowId,
      move: { noun: 'task', id: showId('t', id), from, to, trigger, why, at: now.toISOString() },
    })
  return moves
}
