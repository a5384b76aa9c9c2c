import { useEffect, useImperativeHandle, useRef, useState } from 'react'
import { countsText } from '../states/counts.ts'
import { draw, type Size, type View, wordScale } from './draw.ts'
import { nodeHeight, nodeWidth } from './layout.ts'
import { type Palette, readPalette } from './palette.ts'
import { type Direction, nodeAt, nodeBeside, type Scene } from './scene.ts'
import type { Node } from './taskGraph.ts'

export type GraphHandle = { fit: () => void; palette: () => Palette }
type Props = { scene: Scene; label: string; open: (node: Node) => void; ref: React.Ref<GraphHandle> }

const [leastScale, mostScale] = [0.02, 2.5]
const arrows: Record<string, Direction> = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' }

/** The graph on a canvas: moved by dragging and wheel, by fingers, and by keys. */
export const GraphCanvas = ({ scene, label, open, ref }: Props) => {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [chosen, setChosen] = useState(-1)
  const stage = useStage(canvas, scene, chosen)
  useImperativeHandle(ref, () => ({ fit: stage.fit, palette: stage.palette }))
  const pressed = (event: React.KeyboardEvent) => {
    const direction = arrows[event.key]
    if (direction) {
      const next = chosen < 0 ? 0 : nodeBeside(scene, chosen, direction)
      setChosen(next)
      stage.show(next)
    } else if (event.key === '+' || event.key === '=') stage.zoom(1.3)
    else if (event.key === '-') stage.zoom(1 / 1.3)
    else if (event.key === '0') stage.fit()
    else if (event.key === 'Enter' && scene.nodes[chosen]) open(scene.nodes[chosen])
    else return
    event.preventDefault()
  }
  const pointers = usePointers(stage, (x, y) => {
    const found = nodeAt(scene, ...stage.placeOf(x, y))
    setChosen(found)
    if (found >= 0) open(scene.nodes[found]!)
  })
  const node = scene.nodes[chosen]
  return (
    <div className="graph">
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: keys go from node to node in it */}
      <canvas ref={canvas} tabIndex={0} role="application" aria-label={label} onKeyDown={pressed} {...pointers} />
      <p className="graph-said" aria-live="polite">
        {node && `${node.title}, ${node.state}, ${countsText(node.counts)}`}
      </p>
    </div>
  )
}

type Stage = ReturnType<typeof useStage>

/** The view of the canvas, and its drawing: once a frame, when something has changed. */
const useStage = (canvas: React.RefObject<HTMLCanvasElement | null>, scene: Scene, chosen: number) => {
  const state = useRef({ view: { scale: 1, left: 0, top: 0 } as View, size: { width: 0, height: 0 } as Size, frame: 0 })
  const current = useRef({ scene, chosen })
  const palette = useRef<Palette>(undefined)
  current.current = { scene, chosen }
  const paint = () => {
    state.current.frame = 0
    const pen = canvas.current?.getContext('2d')
    if (!pen) return
    const { view, size } = state.current
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    palette.current ??= readPalette()
    draw(pen, current.current.scene, view, size, palette.current, current.current.chosen)
  }
  const redraw = () => {
    state.current.frame ||= requestAnimationFrame(paint)
  }
  const look = (view: View) => {
    state.current.view = view
    redraw()
  }
  const fit = () => look(wholeOf(current.current.scene, state.current.size))
  const zoom = (factor: number, x = state.current.size.width / 2, y = state.current.size.height / 2) => {
    const { scale, left, top } = state.current.view
    const next = Math.min(mostScale, Math.max(leastScale, scale * factor))
    look({ scale: next, left: left + x / scale - x / next, top: top + y / scale - y / next })
  }
  const move = (dx: number, dy: number) => {
    const { scale, left, top } = state.current.view
    look({ scale, left: left - dx / scale, top: top - dy / scale })
  }
  /** Moves as little as brings the node into sight. */
  const show = (i: number) => {
    const { scale, left, top } = state.current.view
    const { width, height } = state.current.size
    const [x, y] = [current.current.scene.layout.x[i]!, current.current.scene.layout.y[i]!]
    const into = (at: number, from: number, room: number, extent: number) =>
      Math.min(Math.max(from, at + extent + 20 - room), at - 20)
    look({ scale, left: into(x, left, width / scale, nodeWidth), top: into(y, top, height / scale, nodeHeight) })
  }
  const placeOf = (x: number, y: number): [number, number] => {
    const { scale, left, top } = state.current.view
    return [left + x / scale, top + y / scale]
  }
  const paletteNow = () => {
    palette.current ??= readPalette()
    return palette.current
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: a stage is set up once, for the canvas; what it draws is in `current`
  useEffect(() => {
    const element = canvas.current!
    const measure = () => {
      const isFirst = state.current.size.width === 0
      state.current.size = { width: element.clientWidth, height: element.clientHeight }
      element.width = element.clientWidth * devicePixelRatio
      element.height = element.clientHeight * devicePixelRatio
      if (isFirst) fit()
      else redraw()
    }
    const recolour = () => {
      palette.current = undefined
      redraw()
    }
    const rolled = (event: WheelEvent) => {
      event.preventDefault()
      if (event.ctrlKey || !event.shiftKey) zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY)
      else move(-event.deltaX - event.deltaY, 0)
    }
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const sizes = new ResizeObserver(measure)
    sizes.observe(element)
    element.addEventListener('wheel', rolled, { passive: false })
    scheme.addEventListener('change', recolour)
    addEventListener('themechange', recolour)
    return () => {
      sizes.disconnect()
      element.removeEventListener('wheel', rolled)
      scheme.removeEventListener('change', recolour)
      removeEventListener('themechange', recolour)
      cancelAnimationFrame(state.current.frame)
      state.current.frame = 0
    }
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new layout is looked at as a whole, new colours of it where one was
  useEffect(() => fit(), [scene.layout.width, scene.layout.height, scene.nodes.length])
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever what is drawn has changed
  useEffect(redraw, [scene, chosen])
  return { fit, zoom, move, show, placeOf, palette: paletteNow }
}

/** All of it in the middle, no larger than life. A long one that could not be read so begins at its left instead. */
const wholeOf = ({ layout: { width, height } }: Scene, size: Size): View => {
  const room = 28
  const fitting = Math.min((size.width - 2 * room) / Math.max(1, width), (size.height - 2 * room) / Math.max(1, height))
  const isLong = fitting < wordScale && height * wordScale < size.height - 2 * room
  const scale = isLong ? wordScale : Math.max(leastScale, Math.min(1, fitting))
  const left = isLong ? -room / scale : (width - size.width / scale) / 2
  return { scale, left, top: (height - size.height / scale) / 2 }
}

/** So far a press may move and still be a click, pixels. */
const clickReach = 5

/** One pointer drags, two pinch; a press that does not move is a click. */
const usePointers = (stage: Stage, clicked: (x: number, y: number) => void) => {
  const down = useRef(new Map<number, { x: number; y: number }>())
  const moved = useRef(0)
  const placeIn = ({ nativeEvent: { offsetX, offsetY } }: React.PointerEvent) => ({ x: offsetX, y: offsetY })
  return {
    onPointerDown: (event: React.PointerEvent) => {
      event.currentTarget.setPointerCapture(event.pointerId)
      down.current.set(event.pointerId, placeIn(event))
      if (down.current.size === 1) moved.current = 0
    },
    onPointerMove: (event: React.PointerEvent) => {
      const before = down.current.get(event.pointerId)
      if (!before) return
      const now = placeIn(event)
      const other = [...down.current].find(([id]) => id !== event.pointerId)?.[1]
      if (other) {
        const distance = (place: { x: number; y: number }) => Math.hypot(place.x - other.x, place.y - other.y)
        stage.zoom(distance(now) / Math.max(1, distance(before)), (now.x + other.x) / 2, (now.y + other.y) / 2)
      } else stage.move(now.x - before.x, now.y - before.y)
      moved.current += Math.hypot(now.x - before.x, now.y - before.y)
      down.current.set(event.pointerId, now)
    },
    onPointerUp: (event: React.PointerEvent) => {
      const place = placeIn(event)
      down.current.delete(event.pointerId)
      if (moved.current < clickReach && down.current.size === 0) clicked(place.x, place.y)
    },
    onPointerCancel: (event: React.PointerEvent) => down.current.delete(event.pointerId),
  }
}
