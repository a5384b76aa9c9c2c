import { expect, test } from 'vitest'
import { type GraphTask, graphOf, stateOf } from './decide.ts'

const task = (id: number, name: string, more: Partial<GraphTask> = {}): GraphTask => ({
  ...{ id, name, state: 'done', parentTaskId: null },
  ...more,
})
const shown = ({ nodes, edges, left }: ReturnType<typeof graphOf>) => ({
  nodes: nodes.map((tasks) => tasks.map(({ id }) => id).join('+')),
  edges: edges.map((edge) => edge.join('>')),
  left,
})

test('edges are what a task waited for, what led to its call, and whose call it is, each once', () => {
  const tasks = [task(1, 'a'), task(2, 'b'), task(3, 'c', { parentTaskId: 2 }), task(4, 'd')]
  const calls = [
    { scope: 0, taskId: 1, seen: null },
    { scope: 0, taskId: 2, seen: '[0,"t1"]' },
  ]
  const facts = {
    tasks,
    edges: [
      { parentId: 1, childId: 2 },
      { parentId: 3, childId: 4 },
    ],
    calls,
  }
  expect(shown(graphOf(facts, 10))).toEqual({ nodes: ['1', '2', '3', '4'], edges: ['0>1', '1>2', '2>3'], left: 0 })
})

test('of too many, those of one name and with the same parents are one node', () => {
  const tasks = [task(1, 'split'), task(2, 'fit'), task(3, 'fit'), task(4, 'other'), task(5, 'merge')]
  const edges = [2, 3, 4].map((childId) => ({ parentId: 1, childId }))
  const all = [...edges, ...[2, 3].map((parentId) => ({ parentId, childId: 5 }))]
  const graph = graphOf({ tasks, edges: all, calls: [] }, 4)
  expect(shown(graph)).toEqual({ nodes: ['1', '2+3', '4', '5'], edges: ['0>1', '0>2', '1>3'], left: 0 })
})

test('where folding is not enough the newest stay, and it says how many do not', () => {
  const tasks = [task(1, 'a'), task(2, 'b'), task(3, 'c'), task(4, 'd')]
  const chain = [1, 2, 3].map((parentId) => ({ parentId, childId: parentId + 1 }))
  expect(shown(graphOf({ tasks, edges: chain, calls: [] }, 2))).toEqual({
    nodes: ['3', '4'],
    edges: ['0>1'],
    left: 2,
  })
})

test('several go on as long as one of them does, and are as bad as the worst', () => {
  const of = (...states: GraphTask['state'][]) => stateOf(states.map((state, i) => task(i + 1, 'a', { state })))
  expect(of('done', 'failed', 'running')).toBe('running')
  expect(of('done', 'finishing')).toBe('finishing')
  expect(of('done', 'failed')).toBe('failed')
  expect(of('done')).toBe('done')
})
