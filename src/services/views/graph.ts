import { type Graph, type GraphNode, mostNodes } from '../../contract/graph.ts'
import { showId } from '../../lib/ids.ts'
import { graphOf, stateOf } from '../../policy/graph/decide.ts'
import * as store from '../../store/graph.ts'
import { workflowViews } from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { showCounts } from './workflows.ts'

/** So many tasks are looked at, the newest, and so many of their edges and of the journal's entries. */
const [mostTasks, mostEdges] = [6000, 30_000]

export const workflowGraph = async (engine: Engine, principal: Principal, id: number): Promise<Graph> => {
  demand(principal, 'read', await engine.workflows.get(id), 'workflow_unknown')
  const [tasks, edges, calls, [workflow]] = await Promise.all([
    store.graphTasks(engine.db, id, mostTasks),
    store.graphEdges(engine.db, id, mostTasks, mostEdges),
    store.graphCalls(engine.db, id, mostTasks, mostEdges),
    workflowViews(engine.db, [id]),
  ])
  const made = graphOf({ tasks, edges, calls }, mostNodes)
  const unread = Math.max(0, workflow!.tasksTotal - tasks.length)
  return {
    nodes: made.nodes.map(showNode),
    edges: made.edges,
    folded: made.nodes.filter((its) => its.length > 1).length,
    left: made.left + unread,
  }
}

const showNode = (tasks: store.GraphTaskRow[]): GraphNode => {
  const [first] = tasks as [store.GraphTaskRow]
  return {
    id: showId('t', first.id),
    tasks: tasks.length,
    name: first.name,
    state: stateOf(tasks),
    counts: tasks.length === 1 ? showCounts(first, first.total) : sumOf(tasks),
    parentJobId: first.parentJobId === null ? null : showId('j', first.parentJobId),
  }
}

const sumOf = (tasks: store.GraphTaskRow[]): GraphNode['counts'] => {
  const sum: Record<string, number> = {}
  for (const task of tasks)
    for (const [state, n] of Object.entries(showCounts(task, task.total))) sum[state] = (sum[state] ?? 0) + (n ?? 0)
  return sum as GraphNode['counts']
}
