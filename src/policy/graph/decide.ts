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
    const its = new Set((parents.get(task.id) ?? []).flatMap((parent) => nodeOf.get(parent) ?? []))
    const key = `${[...its].sort((a, b) => a - b)} ${task.name}`
    const group = groups.get(key) ?? []
    group.push(task)
    groups.set(key, group)
    nodeOf.set(task.id, group[0]!.id)
  }
  return [...groups.values()]
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
