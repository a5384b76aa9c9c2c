import { type LabelChange, maxLabels } from '../../contract/base.ts'
import { fault } from '../../contract/faults.ts'
import type { Task } from '../../contract/tasks.ts'
import type { Workflow } from '../../contract/workflows.ts'
import * as store from '../../store/labels.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { getTask } from '../views/tasks.ts'
import { getWorkflow } from '../views/workflows.ts'

/** Sets some labels and removes those that are given as null. Tasks that are there keep theirs; those that come have the new ones. */
export const labelWorkflow = async (
  engine: Engine,
  principal: Principal,
  id: number,
  change: LabelChange,
): Promise<Workflow> => {
  const { experimentId } = demand(principal, 'write', await engine.workflows.get(id), 'workflow_unknown')
  await transact(engine, async (tx) => {
    const before = await store.lockWorkflowLabels(tx, id)
    await store.setWorkflowLabels(tx, { experimentId, id, before, after: changed(before, change) })
  })
  return getWorkflow(engine, principal, id)
}

export const labelTask = async (
  engine: Engine,
  principal: Principal,
  id: number,
  change: LabelChange,
): Promise<Task> => {
  const facts = (await engine.tasks.get([id])).get(id)
  const { experimentId } = demand(principal, 'write', facts, 'task_unknown')
  await transact(engine, async (tx) => {
    const before = await store.lockTaskLabels(tx, id)
    await store.setTaskLabels(tx, { experimentId, id, before, after: changed(before, change) })
  })
  return getTask(engine, principal, id)
}

const changed = (before: store.Labels, change: LabelChange): store.Labels => {
  const all = Object.entries({ ...before, ...change }).filter((entry): entry is [string, string] => entry[1] !== null)
  if (all.length > maxLabels)
    throw fault('fields_disagree', `it would have ${all.length} labels, of ${maxLabels} at most`)
  return Object.fromEntries(all)
}
