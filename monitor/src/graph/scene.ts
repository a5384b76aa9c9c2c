import { partsOf } from '../states/counts.ts'
import { count } from '../words/numbers.ts'
import { type Layout, nodeHeight, nodeWidth } from './layout.ts'
import type { Node, Shape } from './taskGraph.ts'

/** What is to be drawn: nodes, where they stand, and how they hang together. */
export type Scene = { nodes: Node[]; layout: Layout; shape: Pick<Shape, 'from' | 'to' | 'back'> }

/** The number of the node at a place, or -1. */
export const nodeAt = ({ layout: { x, y } }: Scene, px: number, py: number): number => {
  for (let i = 0; i < x.length; i++)
    if (px >= x[i]! && px <= x[i]! + nodeWidth && py >= y[i]! && py <= y[i]! + nodeHeight) return i
  return -1
}

export type Direction = 'left' | 'right' | 'up' | 'down'
const axes = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] } as const

/** The nearest node in a direction; what lies aside counts double. */
export const nodeBeside = ({ layout: { x, y } }: Scene, from: number, direction: Direction): number => {
  const [ax, ay] = axes[direction]
  let [best, least] = [from, Number.POSITIVE_INFINITY]
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - x[from]!, y[i]! - y[from]!]
    const along = dx * ax + dy * ay
    const aside = Math.abs(dx * ay) + Math.abs(dy * ax)
    if (along > 1 && along + 2 * aside < least) [best, least] = [i, along + 2 * aside]
  }
  return best
}

/** A line from the right side of one node to the left side of another; edges back pass below. */
export const edgePath = ({ x, y }: Layout, from: number, to: number, isBack: boolean): number[] => {
  const [x1, y1] = [x[from]! + nodeWidth, y[from]! + nodeHeight / 2]
  const [x2, y2] = [x[to]!, y[to]! + nodeHeight / 2]
  if (!isBack) {
    const bend = Math.max(24, (x2 - x1) / 2)
    return [x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2]
  }
  const below = Math.max(y1, y2) + nodeHeight + 24
  return [x1, y1, x1 + 60, below, x2 - 60, below, x2, y2]
}

/** The parts of a node's bar, as shares of its width from left to right. */
export const barOf = ({ counts }: Node) => {
  let at = 0
  return partsOf(counts).map(({ kind, n }) => {
    const share = n / Math.max(1, counts.total)
    const from = at
    at += share
    return { kind, from, share }
  })
}

export const subtitleOf = ({ ids, counts, isLoop, state }: Node) => {
  const id = ids.length > 1 ? `${ids[0]} … ${ids.at(-1)}` : ids[0]
  const jobs = counts.total > 1 ? ` · ${count(counts.finished ?? 0)}/${count(counts.total)}` : ''
  return `${isLoop ? '↻ ' : ''}${id}${jobs || ` · ${state}`}`
}

export const shortened = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
