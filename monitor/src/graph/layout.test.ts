import fc from 'fast-check'
import { expect, test } from 'vitest'
import { layOut, nodeHeight, nodeWidth } from './layout.ts'

const graphOf = (n: number, edges: [number, number][]) => ({
  n,
  from: Int32Array.from(edges, ([from]) => from),
  to: Int32Array.from(edges, ([, to]) => to),
})

const anyGraph = fc.integer({ min: 1, max: 60 }).chain((n) =>
  fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { maxLength: 120 }).map((pairs) =>
    graphOf(
      n,
      pairs.filter(([a, b]) => a !== b).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as [number, number]),
    ),
  ),
)

test('every edge leads to the right, and no two nodes touch', () => {
  fc.assert(
    fc.property(anyGraph, (graph) => {
      const { x, y, width, height } = layOut(graph)
      for (const [e, from] of graph.from.entries())
        expect(x[graph.to[e]!]!).toBeGreaterThanOrEqual(x[from]! + nodeWidth)
      for (let a = 0; a < graph.n; a++) {
        expect(x[a]! >= 0 && y[a]! >= 0 && x[a]! + nodeWidth <= width + 0.1 && y[a]! + nodeHeight <= height + 0.1).toBe(
          true,
        )
        for (let b = 0; b < a; b++)
          expect(Math.abs(x[a]! - x[b]!) >= nodeWidth || Math.abs(y[a]! - y[b]!) >= nodeHeight).toBe(true)
      }
    }),
  )
})

test('a chain is a straight line', () => {
  const { y } = layOut(
    graphOf(
      5,
      [0, 1, 2, 3].map((i) => [i, i + 1]),
    ),
  )
  expect(new Set(y).size).toBe(1)
})

test('two that belong together do not cross: their order follows that of what they come from', () => {
  const { y } = layOut(
    graphOf(4, [
      [0, 3],
      [1, 2],
    ]),
  )
  expect(y[3]! < y[2]!).toBe(y[0]! < y[1]!)
})

test('five thousand nodes take far less than a frame of a film each', () => {
  const edges = Array.from({ length: 8000 }, (_, i): [number, number] => {
    const to = 1 + (i % 4999)
    return [Math.max(0, to - 1 - ((i * 7919) % 40)), to]
  })
  const began = performance.now()
  layOut(graphOf(5000, edges))
  expect(performance.now() - began).toBeLessThan(2000)
})
