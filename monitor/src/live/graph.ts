import type { QueryClient } from '@tanstack/react-query'
import type { Graph, GraphNode } from '../../../src/contract/graph.ts'
import type { Notice } from '../../../src/contract/notices.ts'
import type { WorkflowId } from '../api/queries.ts'
import { hasEnded } from '../states/counts.ts'

/** Brings what was heard of tasks into the graph that is known of their workflow. True when it has to be asked for: there are new tasks, or such as are folded with others. */
export const changeGraph = (client: QueryClient, id: WorkflowId, notices: Notice[]): boolean => {
  const graph = client.getQueryData<Graph>(['graph', id])
  if (!graph) return false
  const changes = changesIn(notices)
  if (changes.size === 0) return false
  let known = 0
  const nodes = graph.nodes.map((node) => {
    const change = node.tasks === 1 ? changes.get(node.id) : undefined
    if (!change) return node
    known++
    return { ...node, ...change }
  })
  client.setQueryData<Graph>(['graph', id], { ...graph, nodes })
  return known < changes.size
}

/** Of each task its newest state and numbers. */
const changesIn = (notices: Notice[]): Map<string, Partial<GraphNode>> => {
  const changes = new Map<string, Partial<GraphNode>>()
  const add = (task: string, change: Partial<GraphNode>) => changes.set(task, { ...changes.get(task), ...change })
  for (const { kind, data } of notices)
    if (kind === 'progress') add(data.taskId, { state: data.state as GraphNode['state'], counts: data.counts })
    else if (kind === 'move' && data.noun === 'task' && hasEnded(data.to))
      add(data.id, { state: data.to as GraphNode['state'] })
  return changes
}
