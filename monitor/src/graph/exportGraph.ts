import { kinds } from '../states/kinds.ts'
import { draw } from './draw.ts'
import { nodeHeight, nodeWidth } from './layout.ts'
import type { Palette } from './palette.ts'
import { barOf, edgePath, type Scene, shortened, subtitleOf } from './scene.ts'

const margin = 24
/** What browsers still make a picture of, pixels on a side. */
const mostPixels = 12_000

/** The whole graph as a drawing that keeps its words. */
export const svgOf = (scene: Scene, palette: Palette): string => {
  const { layout, nodes, shape } = scene
  const [width, height] = [layout.width + 2 * margin, layout.height + 2 * margin]
  const edges = Array.from(shape.from, (from, e) => curve(edgePath(layout, from, shape.to[e]!, false)))
  const backs = shape.back.map(([from, to]) => curve(edgePath(layout, from, to, true), ' stroke-dasharray="5 4"'))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-margin} ${-margin} ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif">`,
    `<rect x="${-margin}" y="${-margin}" width="${width}" height="${height}" fill="${palette.ground}"/>`,
    `<g fill="none" stroke="${palette.soft}" stroke-opacity=".55" stroke-width="1.2">`,
    ...edges,
    ...backs,
    '</g>',
    ...nodes.map((_, i) => svgNode(scene, i, palette)),
    '</svg>',
  ].join('\n')
}

const curve = ([x, y, ...points]: number[], more = '') => `<path d="M${x} ${y}C${points.join(' ')}"${more}/>`

const svgNode = ({ nodes, layout }: Scene, i: number, palette: Palette): string => {
  const node = nodes[i]!
  const { path } = kinds[node.kind]
  const fill = 'isFilled' in kinds[node.kind] ? palette.word[node.kind] : 'none'
  const width = nodeWidth - 5
  const bars = barOf(node).map(
    ({ kind, from, share }) =>
      `<rect x="${5 + from * width}" y="${nodeHeight - 4}" width="${share * width}" height="3" fill="${palette.area[kind]}"/>`,
  )
  return [
    `<g transform="translate(${layout.x[i]} ${layout.y[i]})"><title>${escaped(`${node.title}: ${node.state}`)}</title>`,
    node.ids.length > 1 ? box(4, -4, palette) : '',
    box(0, 0, palette),
    `<rect y="1" width="5" height="${nodeHeight - 2}" fill="${palette.area[node.kind]}"/>`,
    ...bars,
    `<path transform="translate(12 7)" d="${path}" fill="${fill}" stroke="${palette.word[node.kind]}" stroke-width="2" stroke-linecap="round"/>`,
    `<text x="33" y="19" font-size="12.5" font-weight="600" fill="${palette.ink}">${escaped(shortened(node.title, 20))}</text>`,
    `<text x="33" y="34" font-size="11" fill="${palette.soft}">${escaped(shortened(subtitleOf(node), 26))}</text></g>`,
  ].join('')
}

const box = (x: number, y: number, { ground, line }: Palette) =>
  `<rect x="${x}" y="${y}" width="${nodeWidth}" height="${nodeHeight}" rx="4" fill="${ground}" stroke="${line}"/>`

const escaped = (text: string) => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`)

/** The whole graph as a picture, twice as large as on the screen as long as browsers can make that. */
export const pngOf = async (scene: Scene, palette: Palette): Promise<Blob | null> => {
  const [width, height] = [scene.layout.width + 2 * margin, scene.layout.height + 2 * margin]
  const scale = Math.min(2, mostPixels / Math.max(width, height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.ceil(width * scale)
  canvas.height = Math.ceil(height * scale)
  const pen = canvas.getContext('2d')!
  draw(pen, scene, { scale, left: -margin, top: -margin }, canvas, palette, -1)
  pen.globalCompositeOperation = 'destination-over'
  pen.fillStyle = palette.ground
  pen.fillRect(0, 0, canvas.width, canvas.height)
  return new Promise((resolve) => canvas.toBlob(resolve))
}
