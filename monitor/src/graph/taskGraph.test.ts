import { expect, test } from 'vitest'
import type { GraphNode } from '../../../src/contract/graph.ts'
import { nodesOf, shapeOf } from './taskGraph.ts'

const task = (id: `t${number}`, name: string, more: Partial<GraphNode> = {}) =>
  ({ id, tasks: 1, name, state: 'done', parentJobId: null, counts: { total: 1, finished: 1 }, ...more }) as GraphNode

const chain = (names: string[]) => {
  const tasks = names.map((name, i) => task(`t${i + 1}`, name))
  const after = new Map(tasks.map(({ id }, i) => [id, i > 0 ? [tasks[i - 1]!.id] : []]))
  return { tasks, links: after }
}

const edgesOf = ({ from, to }: { from: Int32Array; to: Int32Array }) => [...from].map((f, e) => [f, to[e]])

test('a loop of one work folds into one node that leads to itself', () => {
  const { tasks, links } = chain(['prepare', 'try', 'try', 'try', 'try', 'report'])
  const shape = shapeOf(tasks, links, true, new Set())
  const nodes = nodesOf(shape, new Map())
  expect(nodes.map(({ title, isLoop }) => [title, isLoop])).toEqual([
    ['prepare', false],
    ['try × 4', true],
    ['report', false],
  ])
  expect(edgesOf(shape)).toEqual([
    [0, 1],
    [1, 2],
  ])
})

test('a loop of several works folds into a ring, whose edge back is apart', () => {
  const { tasks, links } = chain(['ask', 'try', 'ask', 'try', 'ask', 'try', 'ask', 'try'])
  const shape = shapeOf(tasks, links, true, new Set())
  expect(edgesOf(shape)).toEqual([[0, 1]])
  expect(shape.back).toEqual([[1, 0]])
})

test('what is unfolded, or too few to fold, stands by itself', () => {
  const { tasks, links } = chain(['try', 'try', 'try', 'try'])
  expect(shapeOf(tasks, links, false, new Set()).n).toBe(4)
  expect(shapeOf(tasks, links, true, new Set([' try'])).n).toBe(4)
  expect(shapeOf(tasks.slice(1), links, true, new Set()).n).toBe(3)
})

test('a node that came folded says for how many tasks it stands', () => {
  const shape = shapeOf([task('t1', 'fit', { tasks: 300 })], new Map(), true, new Set())
  expect(nodesOf(shape, new Map())[0]!.title).toBe('fit × 300')
})

test('a folded node goes on as long as one of its tasks does, and is as bad as the worst', () => {
  const { tasks, links } = chain(['try', 'try', 'try', 'try'])
  const shape = shapeOf(tasks, links, true, new Set())
  const stateWith = (...states: GraphNode['state'][]) =>
    nodesOf(shape, new Map(states.map((state, i) => [tasks[i]!.id, { ...tasks[i]!, state }])))[0]!.state
  expect(stateWith('done', 'failed', 'running')).toBe('running')
  expect(stateWith('done', 'failed')).toBe('failed')
  expect(stateWith('finished')).toBe('finished')
  expect(stateWith()).toBe('done')
})
