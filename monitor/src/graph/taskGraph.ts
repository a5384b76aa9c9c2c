import type { GraphNode } from '../../../src/contract/graph.ts'
import { type Counts, hasEnded, sumOf } from '../states/counts.ts'
import { type Kind, kindOf } from '../states/kinds.ts'
import { numberIn } from '../words/ids.ts'
import type { Graph } from './layout.ts'

/** A node: one task, or several of one name that are folded into it. */
export type Node = {
  key: string
  title: string
  ids: string[]
  state: string
  kind: Kind
  counts: Counts
  /** Its tasks follow each other: a loop that is folded. */
  isLoop: boolean
}

export type TaskGraph = Graph & {
  nodes: Node[] /** Edges that lead back, between folded loops: numbers of nodes. */
  back: [number, number][]
}

/** Of a task, those that it hangs on. */
export type Links = ReadonlyMap<string, readonly string[]>

/** So many tasks of one name are folded into one node. */
const fewestFolded = 4

/** How tasks hang together. `unfolded` has the keys of groups that are to be seen in full. */
export const shapeOf = (
  tasks: readonly GraphNode[],
  links: Links,
  isFolded: boolean,
  unfolded: ReadonlySet<string>,
) => {
  const members = groupsOf(tasks, isFolded, unfolded)
  const keys = [...members.keys()]
  const numberOf = new Map<string, number>()
  for (const [i, key] of keys.entries()) for (const task of members.get(key)!) numberOf.set(task.id, i)
  const edges = new Map<string, [number, number]>()
  const back = new Map<string, [number, number]>()
  const loops = new Set<number>()
  for (const task of tasks)
    for (const cause of links.get(task.id) ?? []) {
      const [from, to] = [numberOf.get(cause), numberOf.get(task.id)!]
      if (from === undefined) continue
      if (from === to) loops.add(to)
      else (from < to ? edges : back).set(`${from} ${to}`, [from, to])
    }
  const list = [...edges.values()]
  return {
    keys,
    members,
    loops,
    n: keys.length,
    from: Int32Array.from(list, ([from]) => from),
    to: Int32Array.from(list, ([, to]) => to),
    back: [...back.values()],
  }
}
export type Shape = ReturnType<typeof shapeOf>

/** In the order in which the first of each group was made: then edges lead on, and those of a loop back. */
const groupsOf = (
  tasks: readonly GraphNode[],
  isFolded: boolean,
  unfolded: ReadonlySet<string>,
): Map<string, GraphNode[]> => {
  const byName = new Map<string, GraphNode[]>()
  for (const task of tasks) byName.set(nameOf(task), [])
  for (const task of tasks) byName.get(nameOf(task))!.push(task)
  const groups = new Map<string, GraphNode[]>()
  for (const task of tasks) {
    const key = nameOf(task)
    const alike = byName.get(key)!
    const isAlone = !isFolded || alike.length < fewestFolded || unfolded.has(key)
    if (isAlone) groups.set(task.id, [task])
    else groups.set(key, alike)
  }
  return groups
}

const nameOf = ({ name, parentJobId }: GraphNode) => `${parentJobId ?? ''} ${name}`

/** What the nodes show, as their tasks are now. */
export const nodesOf = ({ keys, members, loops }: Shape, current: ReadonlyMap<string, GraphNode>): Node[] =>
  keys.map((key, i) => {
    const tasks = members.get(key)!.map((task) => current.get(task.id) ?? task)
    return tasks.length === 1 ? ownNodeOf(tasks[0]!) : nodeOf(key, tasks, loops.has(i))
  })

/** Of thousands of tasks few change at a time: the node of one that has not is the one of before. */
const known = new WeakMap<GraphNode, Node>()

const ownNodeOf = (task: GraphNode): Node => {
  const node = known.get(task) ?? nodeOf(task.id, [task], false)
  known.set(task, node)
  return node
}

const nodeOf = (key: string, tasks: GraphNode[], isLoop: boolean): Node => {
  const state = stateOf(tasks)
  const n = tasks.reduce((sum, one) => sum + one.tasks, 0)
  return {
    key,
    title: n > 1 ? `${tasks[0]!.name} × ${n}` : tasks[0]!.name,
    ids: tasks.map(({ id }) => id).sort((a, b) => numberIn(a) - numberIn(b)),
    state,
    kind: kindOf(state, 'task'),
    counts: sumOf(tasks.map(({ counts }) => counts)),
    isLoop,
  }
}

/** Of several: what still goes on, or else the worst end. */
const stateOf = (tasks: GraphNode[]): string => {
  if (tasks.length === 1) return tasks[0]!.state
  const states = new Set<string>(tasks.map(({ state }) => state))
  const active = ['running', 'pending', 'paused'].find((state) => states.has(state))
  if (active) return active
  const other = [...states].find((state) => !hasEnded(state))
  return other ?? ['broken', 'failed', 'exhausted', 'finished', 'aborted'].find((state) => states.has(state)) ?? 'done'
}
