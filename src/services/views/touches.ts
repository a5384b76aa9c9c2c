import { fault } from '../../contract/faults.ts'
import type { Touches } from '../../contract/workflows.ts'
import { jobStates } from '../../domain/job/states.ts'
import { type Action, touchedBy } from '../../policy/steer/touches.ts'
import * as store from '../../store/views.ts'
import type { Engine } from '../engine/engine.ts'
import { showCounts } from './workflows.ts'

/** What an action touches, as the counters have it: what people are shown before it is done. */
const touches = (action: Action, tasks: number, counts: Partial<store.Counts>): Touches => {
  const known = jobStates.flatMap((state) => (counts[state] ? [[state, counts[state]] as const] : []))
  const { jobs, stops } = touchedBy(action, Object.fromEntries(known))
  return { tasks, jobs: showCounts({ ...noCounts, ...jobs }), stops }
}

const noCounts = Object.fromEntries(jobStates.map((state) => [state, 0])) as store.Counts

export const touchesOfWorkflow = async (engine: Engine, id: number, action: Action): Promise<Touches> => {
  const [row] = await store.workflowViews(engine.db, [id])
  if (!row) throw fault('workflow_unknown')
  return touches(action, action === 'retry' ? row.tasksFailed : row.tasksTotal - row.tasksEnded, row)
}

export const touchesOfTask = async (engine: Engine, id: number, action: Action): Promise<Touches> => {
  const [row] = await store.taskProgress(engine.db, [id])
  return touches(action, 1, row!)
}

export const touchesOfJob = async (engine: Engine, id: number, action: Action): Promise<Touches> => {
  const { state } = (await store.jobLineById(engine.db, id))!
  return touches(action, 1, { [state]: 1 })
}
