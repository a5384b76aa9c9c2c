import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import { drawInTurn } from './inTurn.ts'

/** A line, a line of steps, or dots; its colour by a name of the page. */
export type Series = { title: string; colour: string; kind: 'line' | 'steps' | 'dots'; width?: number; size?: number }
type Props = {
  label: string
  xTitle: string
  yTitle: string
  x: number[]
  series: Series[]
  ys: (number | null)[][]
  isLog?: boolean
  /** `x` is seconds since 1970. */
  isTime?: boolean
  /** No y is below zero, and the axis begins there. */
  isFromZero?: boolean
  /** Called with the place in `x` that was clicked. */
  pick?: (i: number) => void
}

/** A chart of several series over the same x. It is made once, and given new data as they come. */
export const Plot = (props: Props) => {
  const { label, xTitle, yTitle, x, series, ys, isLog = false, isTime = false, isFromZero = false, pick } = props
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot>(undefined)
  const picked = useRef(pick)
  picked.current = pick
  const data = [x, ...ys] as uPlot.AlignedData
  const shape = JSON.stringify([series, isLog, isTime, isFromZero, xTitle, yTitle])
  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew only when it is another kind of chart
  useEffect(() => {
    const element = place.current!
    const make = () => {
      chart.current?.destroy()
      chart.current = new uPlot(
        optionsOf(element, { xTitle, yTitle, series, isLog, isTime, isFromZero }),
        data,
        element,
      )
    }
    make()
    const clicked = () => {
      const i = chart.current?.cursor.idx
      if (typeof i === 'number') picked.current?.(i)
    }
    const sizes = new ResizeObserver(() => chart.current?.setSize(sizeOf(element)))
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    sizes.observe(element)
    element.addEventListener('click', clicked)
    scheme.addEventListener('change', make)
    addEventListener('themechange', make)
    return () => {
      sizes.disconnect()
      element.removeEventListener('click', clicked)
      scheme.removeEventListener('change', make)
      removeEventListener('themechange', make)
      chart.current?.destroy()
      chart.current = undefined
    }
  }, [shape])
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever there are other numbers
  useEffect(() => drawInTurn(chart, () => chart.current?.setData(data)), [x, ys])
  return <div ref={place} className="chart" role="img" aria-label={label} />
}

const legendHeight = 34

const sizeOf = (element: HTMLElement) => ({
  width: element.clientWidth,
  height: Math.max(60, element.clientHeight - legendHeight),
})

type Wanted = { [K in 'xTitle' | 'yTitle' | 'series' | 'isLog' | 'isTime' | 'isFromZero']: NonNullable<Props[K]> }

const optionsOf = (element: HTMLElement, wanted: Wanted): uPlot.Options => {
  const { xTitle, yTitle, series, isLog, isTime, isFromZero } = wanted
  const colour = colourReader(element)
  const axis = {
    stroke: colour('var(--soft)'),
    grid: { stroke: colour('var(--faint)'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
    labelFont: '11px system-ui, sans-serif',
    labelSize: 16,
  }
  return {
    ...sizeOf(element),
    scales: { x: { time: isTime }, y: { distr: isLog ? 3 : 1, ...(isFromZero && { range: fromZero }) } },
    axes: [
      { ...axis, label: xTitle, size: isTime ? 44 : 28, ...(isTime ? { values: timeMarks } : {}) },
      { ...axis, label: yTitle, size: 52 },
    ],
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    series: [
      { label: xTitle, value: (_chart, value) => (isTime && value ? timeOf(value) : (value ?? '')) },
      ...series.map((one) => seriesOf(one, colour(one.colour))),
    ],
  }
}

const fromZero: uPlot.Range.Function = (_chart, _min, max) => [0, max > 0 ? 1.08 * max : 1]

/**
 * Marks of a time axis, by how far they are apart, s: what each says, and what those say besides at which a year, month, day or hour begins. A day has 24 hours, and a date its parts
 * in one order everywhere.
 */
const timeMarks: (number | string | null)[][] = [
  [31_536_000, '{YYYY}', null, null, null, null, null, null, 1],
  [2_419_200, '{YYYY}-{MM}', null, null, null, null, null, null, 1],
  [86_400, '{MM}-{DD}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
]

const timeOf = (seconds: number) =>
  new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

const seriesOf = ({ title, kind, width = 2, size = 4 }: Series, colour: string): uPlot.Series => ({
  label: title,
  value: (_chart, value) => (value === null || value === undefined ? '' : String(Number(value.toPrecision(5)))),
  stroke: colour,
  width,
  points: { show: false },
  ...(kind === 'dots' ? { paths: dots(size, colour), fill: colour } : {}),
  ...(kind === 'steps' ? { paths: steps } : {}),
  spanGaps: true,
})

/** Where the values of a scale are drawn, in pixels of the canvas: known once for thousands of them. */
const placesOn = (chart: uPlot, name: 'x' | 'y') => {
  const { min = 0, max = 1, distr } = chart.scales[name]!
  const scaled = distr === 3 ? Math.log : Number
  const [from, to] = [chart.valToPos(min!, name, true), chart.valToPos(max!, name, true)]
  const [low, high] = [scaled(min!), scaled(max!)]
  return (value: number) => from + ((to - from) * (scaled(value) - low)) / (high - low)
}

/** Dots are squares of whole pixels, each filled by itself: as one path, or as circles, thousands of them would take longer than a frame. */
const dots =
  (size: number, colour: string): uPlot.Series.PathBuilder =>
  (chart, series, from, to) => {
    const { ctx: pen, bbox } = chart
    const [x, y] = [placesOn(chart, 'x'), placesOn(chart, 'y')]
    const [xs, ys] = [chart.data[0], chart.data[series]!]
    const side = Math.round(size * devicePixelRatio)
    pen.save()
    pen.beginPath()
    pen.rect(bbox.left - side, bbox.top - side, bbox.width + 2 * side, bbox.height + 2 * side)
    pen.clip()
    pen.fillStyle = colour
    for (let i = from; i <= to; i++) {
      const value = ys[i]
      if (value === null || value === undefined) continue
      pen.fillRect(Math.round(x(xs[i]!) - side / 2), Math.round(y(value) - side / 2), side, side)
    }
    pen.restore()
    return null
  }

/** A line that stays as it was until the next value that differs; of thousands of values few do. */
const steps: uPlot.Series.PathBuilder = (chart, series, from, to) => {
  const stroke = new Path2D()
  const [x, y] = [placesOn(chart, 'x'), placesOn(chart, 'y')]
  const [xs, ys] = [chart.data[0], chart.data[series]!]
  let before: number | undefined
  for (let i = from; i <= to; i++) {
    const value = ys[i]
    if (value === null || value === undefined || (value === before && i < to)) continue
    if (before === undefined) stroke.moveTo(x(xs[i]!), y(value))
    else stroke.lineTo(x(xs[i]!), y(before))
    stroke.lineTo(x(xs[i]!), y(value))
    before = value
  }
  return { stroke }
}

const colourReader = (element: HTMLElement) => (name: string) => {
  const probe = document.createElement('span')
  probe.style.color = name
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Numbers that are all above zero and far apart are read more easily on a logarithmic scale. */
export const isWideRange = (numbers: number[]) => {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)]
  return low > 0 && high / low > 30
}
