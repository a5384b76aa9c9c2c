import { kinds } from '../states/kinds.ts'
import { nodeHeight, nodeWidth } from './layout.ts'
import type { Palette } from './palette.ts'
import { barOf, edgePath, type Scene, shortened, subtitleOf } from './scene.ts'
import type { Node } from './taskGraph.ts'

/** Where the canvas looks: how large a unit is, and which place is at its upper left. */
export type View = { scale: number; left: number; top: number }
export type Size = { width: number; height: number }

/** Below these scales shapes could not be told apart, and words not be read. */
const shapeScale = 0.2
export const wordScale = 0.45

const shapes = Object.fromEntries(
  Object.entries(kinds).map(([kind, { path }]) => [kind, typeof Path2D === 'undefined' ? undefined : new Path2D(path)]),
) as Record<keyof typeof kinds, Path2D>

export const draw = (
  pen: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  size: Size,
  palette: Palette,
  chosen: number,
) => {
  pen.save()
  pen.clearRect(0, 0, size.width, size.height)
  pen.scale(view.scale, view.scale)
  pen.translate(-view.left, -view.top)
  const inSight = sightOf(view, size)
  drawEdges(pen, scene, inSight, palette, view.scale)
  for (const [i, node] of scene.nodes.entries())
    if (inSight(scene.layout.x[i]!, scene.layout.y[i]!))
      drawNode(pen, scene, i, node, palette, view.scale, i === chosen)
  pen.restore()
}

/** From afar so many edges are drawn at most, of more every so many: they are a grey area then. */
const mostEdges = 4000

type InSight = (x: number, y: number) => boolean

const sightOf = ({ scale, left, top }: View, { width, height }: Size): InSight => {
  const [right, bottom] = [left + width / scale, top + height / scale]
  return (x, y) => x < right && x + nodeWidth > left && y < bottom && y + nodeHeight > top
}

const drawEdges = (pen: CanvasRenderingContext2D, scene: Scene, inSight: InSight, palette: Palette, scale: number) => {
  const { from, to, back } = scene.shape
  const { x, y } = scene.layout
  pen.strokeStyle = palette.soft
  pen.globalAlpha = 0.55
  pen.lineWidth = Math.max(1.2, 0.7 / scale)
  pen.beginPath()
  const step = scale < wordScale ? Math.ceil(from.length / mostEdges) : 1
  for (let e = 0; e < from.length; e += step) {
    const [a, b] = [from[e]!, to[e]!]
    if (inSight(x[a]!, y[a]!) || inSight(x[b]!, y[b]!)) trace(pen, edgePath(scene.layout, a, b, false))
  }
  pen.stroke()
  pen.setLineDash([5, 4])
  pen.beginPath()
  for (const [a, b] of back) trace(pen, edgePath(scene.layout, a, b, true))
  pen.stroke()
  pen.setLineDash([])
  pen.globalAlpha = 1
}

const trace = (pen: CanvasRenderingContext2D, [x, y, ...curve]: number[]) => {
  pen.moveTo(x!, y!)
  pen.bezierCurveTo(...(curve as [number, number, number, number, number, number]))
}

const drawNode = (
  pen: CanvasRenderingContext2D,
  { layout }: Scene,
  i: number,
  node: Node,
  palette: Palette,
  scale: number,
  isChosen: boolean,
) => {
  const [x, y] = [layout.x[i]!, layout.y[i]!]
  pen.fillStyle = palette.area[node.kind]
  if (scale < shapeScale && !isChosen) return pen.fillRect(x, y, nodeWidth, nodeHeight)
  if (node.ids.length > 1) outline(pen, x + 4, y - 4, palette, 1)
  outline(pen, x, y, palette, scale, isChosen)
  pen.fillStyle = palette.area[node.kind]
  pen.fillRect(x, y + 1, 5, nodeHeight - 2)
  drawBar(pen, node, x, y, palette)
  drawShape(pen, node, x, y, palette, scale)
  if (scale >= wordScale) drawWords(pen, node, x, y, palette)
}

const outline = (
  pen: CanvasRenderingContext2D,
  x: number,
  y: number,
  palette: Palette,
  scale: number,
  isChosen = false,
) => {
  pen.fillStyle = palette.ground
  pen.strokeStyle = isChosen ? palette.accent : palette.line
  pen.lineWidth = isChosen ? 3 / Math.min(1, scale) : 1
  pen.beginPath()
  pen.roundRect(x, y, nodeWidth, nodeHeight, 4)
  pen.fill()
  pen.stroke()
}

const drawBar = (pen: CanvasRenderingContext2D, node: Node, x: number, y: number, palette: Palette) => {
  const width = nodeWidth - 5
  for (const { kind, from, share } of barOf(node)) {
    pen.fillStyle = palette.area[kind]
    pen.fillRect(x + 5 + from * width, y + nodeHeight - 4, share * width, 3)
  }
}

const drawShape = (
  pen: CanvasRenderingContext2D,
  node: Node,
  x: number,
  y: number,
  palette: Palette,
  scale: number,
) => {
  pen.save()
  const isSmall = scale < wordScale
  pen.translate(x + 12, y + (isSmall ? 5 : 7))
  if (isSmall) pen.scale(2, 2)
  pen.strokeStyle = palette.word[node.kind]
  pen.fillStyle = palette.word[node.kind]
  pen.lineWidth = 2
  pen.lineCap = 'round'
  if ('isFilled' in kinds[node.kind]) pen.fill(shapes[node.kind])
  pen.stroke(shapes[node.kind])
  pen.restore()
}

const drawWords = (pen: CanvasRenderingContext2D, node: Node, x: number, y: number, palette: Palette) => {
  pen.textBaseline = 'alphabetic'
  pen.fillStyle = palette.ink
  pen.font = '600 12.5px system-ui, sans-serif'
  pen.fillText(shortened(node.title, 20), x + 33, y + 19)
  pen.fillStyle = palette.soft
  pen.font = '11px system-ui, sans-serif'
  pen.fillText(shortened(subtitleOf(node), 26), x + 33, y + 34)
}
