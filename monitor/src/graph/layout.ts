/** A graph without cycles: `from[e]` → `to[e]`, nodes by number. */
export type Graph = { n: number; from: Int32Array; to: Int32Array }
export type Layout = { x: Float32Array; y: Float32Array; width: number; height: number }

export const nodeWidth = 176
export const nodeHeight = 46
const gapX = 64
const gapY = 14
const stepX = nodeWidth + gapX
const stepY = nodeHeight + gapY
const sweeps = 4

/**
 * Layers from left to right by the longest way to each node, ordered by the barycentre of their neighbours, so that few edges cross, and then moved towards
 * those, so that chains are straight. Nodes without edges stand in a block by themselves, and very high layers in several columns.
 */
export const layOut = (graph: Graph): Layout => {
  const neighbours = neighboursOf(graph)
  const alone: number[] = []
  const layers = layersOf(graph, neighbours, alone)
  for (let sweep = 0; sweep < sweeps; sweep++) orderLayers(layers, neighbours, sweep % 2 === 0, graph.n)
  const x = new Float32Array(graph.n)
  const y = new Float32Array(graph.n)
  const mostRows = Math.max(14, Math.ceil(Math.sqrt(graph.n)))
  placeLayers(layers, mostRows, x, y)
  for (let sweep = 0; sweep < sweeps; sweep++) straighten(layers, mostRows, neighbours, sweep % 2 === 0, y)
  return framed(x, y, alone)
}

/** The neighbours of each node on either side, packed: those of node i are list[start[i]] … list[start[i + 1] - 1]. */
type Side = { start: Int32Array; list: Int32Array }
type Neighbours = { before: Side; after: Side }

const neighboursOf = ({ n, from, to }: Graph): Neighbours => ({
  before: packed(n, to, from),
  after: packed(n, from, to),
})

const packed = (n: number, own: Int32Array, other: Int32Array): Side => {
  const start = new Int32Array(n + 1)
  for (const node of own) start[node + 1]!++
  for (let i = 0; i < n; i++) start[i + 1]! += start[i]!
  const next = start.slice()
  const list = new Int32Array(own.length)
  for (let e = 0; e < own.length; e++) list[next[own[e]!]!++] = other[e]!
  return { start, list }
}

const layersOf = ({ n, to }: Graph, { before, after }: Neighbours, alone: number[]): number[][] => {
  const layer = new Int32Array(n)
  const unmet = new Int32Array(n)
  for (const node of to) unmet[node]!++
  const queue: number[] = []
  for (let i = 0; i < n; i++) if (unmet[i] === 0) queue.push(i)
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at]!
    for (let k = after.start[node]!; k < after.start[node + 1]!; k++) {
      const child = after.list[k]!
      layer[child] = Math.max(layer[child]!, layer[node]! + 1)
      if (--unmet[child]! === 0) queue.push(child)
    }
  }
  const layers: number[][] = []
  for (let i = 0; i < n; i++) {
    const isAlone = before.start[i] === before.start[i + 1] && after.start[i] === after.start[i + 1]
    if (isAlone) alone.push(i)
    else {
      layers[layer[i]!] ??= []
      layers[layer[i]!]!.push(i)
    }
  }
  return layers
}

const meanOf = ({ start, list }: Side, node: number, of: Float32Array, otherwise: number): number => {
  const [first, end] = [start[node]!, start[node + 1]!]
  if (first === end) return otherwise
  let sum = 0
  for (let k = first; k < end; k++) sum += of[list[k]!]!
  return sum / (end - first)
}

const orderLayers = (layers: number[][], { before, after }: Neighbours, isForward: boolean, n: number) => {
  const place = new Float32Array(n)
  for (const nodes of layers) for (const [i, node] of nodes.entries()) place[node] = i / nodes.length
  const key = new Float32Array(n)
  for (const nodes of isForward ? layers : layers.toReversed()) {
    for (const node of nodes) key[node] = meanOf(isForward ? before : after, node, place, place[node]!)
    nodes.sort((a, b) => key[a]! - key[b]! || a - b)
    for (const [i, node] of nodes.entries()) place[node] = i / nodes.length
  }
}

const placeLayers = (layers: number[][], mostRows: number, x: Float32Array, y: Float32Array) => {
  let left = 0
  for (const nodes of layers) {
    const columns = Math.ceil(nodes.length / mostRows)
    const rows = Math.ceil(nodes.length / columns)
    for (const [i, node] of nodes.entries()) {
      x[node] = left + Math.floor(i / rows) * (nodeWidth + gapY)
      y[node] = ((i % rows) - (rows - 1) / 2) * stepY
    }
    left += (columns - 1) * (nodeWidth + gapY) + stepX
  }
}

/** Moves the nodes of each layer towards the mean of their neighbours, in their order and without touching. */
const straighten = (
  layers: number[][],
  mostRows: number,
  { before, after }: Neighbours,
  isForward: boolean,
  y: Float32Array,
) => {
  for (const nodes of isForward ? layers : layers.toReversed()) {
    if (nodes.length > mostRows) continue
    const wanted = nodes.map((node) => meanOf(isForward ? before : after, node, y, y[node]!))
    const down = wanted.slice()
    for (let i = 1; i < down.length; i++) down[i] = Math.max(down[i]!, down[i - 1]! + stepY)
    const up = wanted.slice()
    for (let i = up.length - 2; i >= 0; i--) up[i] = Math.min(up[i]!, up[i + 1]! - stepY)
    for (const [i, node] of nodes.entries()) y[node] = (down[i]! + up[i]!) / 2
  }
}

/** Moves everything to where x and y begin with 0, the nodes without edges below the rest. */
const framed = (x: Float32Array, y: Float32Array, alone: number[]): Layout => {
  const isAlone = new Uint8Array(x.length)
  for (const node of alone) isAlone[node] = 1
  let [top, bottom, right] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (let i = 0; i < x.length; i++) {
    if (isAlone[i]) continue
    top = Math.min(top, y[i]!)
    bottom = Math.max(bottom, y[i]! + nodeHeight)
    right = Math.max(right, x[i]! + nodeWidth)
  }
  const height = bottom > top ? bottom - top : 0
  for (let i = 0; i < x.length; i++) if (!isAlone[i]) y[i]! -= top
  const columns = Math.max(1, Math.round(Math.sqrt(alone.length / 2)), Math.floor(right / (nodeWidth + gapY)))
  const below = height > 0 ? height + stepY : 0
  for (const [i, node] of alone.entries()) {
    x[node] = (i % columns) * (nodeWidth + gapY)
    y[node] = below + Math.floor(i / columns) * stepY
    right = Math.max(right, x[node]! + nodeWidth)
  }
  const rows = Math.ceil(alone.length / columns)
  return { x, y, width: right, height: rows > 0 ? below + rows * stepY - gapY : height }
}
