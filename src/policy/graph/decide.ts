import type { TaskState } from '../../domain/task/states.ts'
import { type Asked, askedAfter } from './askedAfter.ts'

export type GraphTask = { id: number; name: string; state: TaskState; parentTaskId: number | null }
export type GraphFacts<Task extends GraphTask> = {
  /** By their ids. */
  tasks: readonly Task[]
  edges: readonly { parentId: number; childId: number }[]
  /** What the driver (scope 0) and jobs (scope = their id) asked for, in order. */
  calls: readonly (Asked & { scope: number })[]
}

/** Nodes with the tasks that each stands for, and edges between their places. `left` is how many tasks are in none. */
export type TaskGraph<Task> = { nodes: Task[][]; edges: [number, number][]; left: number }

/** A node for each task; of more than `most`, those of one name that hang on the same nodes are one, and if that is not enough the newest are kept. */
export const graphOf = <Task extends GraphTask>(facts: GraphFacts<Task>, most: number): TaskGraph<Task> => {
  const parents = parentsOf(facts)
  const nodes = facts.tasks.length > most ? folded(facts.tasks, parents) : facts.tasks.map((task) => [task])
  const kept = nodes.slice(Math.max(0, nodes.length - most))
  const placeOf = new Map<number, number>()
  for (const [place, tasks] of kept.entries()) for (const { id } of tasks) placeOf.set(id, place)
  const edges = new Map<number, [number, number]>()
  for (const [id, to] of placeOf)
    for (const parent of parents.get(id) ?? []) {
      const from = placeOf.get(parent)
      if (from !== undefined) edges.set(from * kept.length + to, [from, to])
    }
  const left = facts.tasks.length - placeOf.size
  return { nodes: kept, edges: [...edges.values()], left }
}

const parentsOf = ({ tasks, edges, calls }: GraphFacts<GraphTask>): Map<number, number[]> => {
  const parents = new Map<number, number[]>()
  const add = (id: number, its: readonly number[]) => {
    const known = parents.get(id)
    if (known) known.push(...its)
    else parents.set(id, [...its])
  }
  for (const { parentId, childId } of edges) add(childId, [parentId])
  for (const journal of byScope(calls)) for (const [id, its] of askedAfter(journal)) add(id, its)
  for (const { id, parentTaskId } of tasks) if (parentTaskId !== null) add(id, [parentTaskId])
  return parents
}

const byScope = (calls: GraphFacts<GraphTask>['calls']): Iterable<Asked[]> => {
  const journals = new Map<number, Asked[]>()
  for (const call of calls) {
    const journal = journals.get(call.scope) ?? []
    journal.push(call)
    journals.set(call.scope, journal)
  }
  return journals.values()
}

/** Parents have smaller ids than what hangs on them, so a task's are in their nodes when it comes to it. */
const folded = <Task extends GraphTask>(tasks: readonly Task[], parents: Map<number, number[]>): Task[][] => {
  const groups = new Map<string, Task[]>()
  const nodeOf = new Map<number, number>()
  for (const task of tasks) {
    const key = `${nodesOf(parents.get(task.id) ?? [], nodeOf)} ${task.name}`
    const group = groups.get(key)
    if (group) group.push(task)
    else groups.set(key, [task])
    nodeOf.set(task.id, (group?.[0] ?? task).id)
  }
  return [...groups.values()]
}

/** Each once, in order. */
const nodesOf = (parents: readonly number[], nodeOf: Map<number, number>): number[] => {
  const nodes: number[] = []
  for (const parent of parents) {
    const node = nodeOf.get(parent)
    if (node !== undefined) nodes.push(node)
  }
  if (nodes.length < 2) return nodes
  return nodes.sort((a, b) => a - b).filter((node, i) => node !== nodes[i - 1])
}

/** Of several: what still goes on, or else the worst end. */
export const stateOf = (tasks: readonly GraphTask[]): TaskState => {
  const states = new Set(tasks.map(({ state }) => state))
  return (
    inOrder.find((state) => states.has(state)) ??
    tasks.map(({ state }) => state).find((state) => !ends.has(state)) ??
    'done'
  )
}

const ends = new Set<TaskState>(['broken', 'failed', 'exhausted', 'finished', 'aborted', 'done'])
const inOrder: TaskState[] = [
  'running',
  'ready',
  'pending',
  'paused',
  'broken',
  'failed',
  'exhausted',
  'finished',
  'aborted',
]
