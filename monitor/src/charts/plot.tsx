import { useEffect, useRef } from 'react'
import uPlot from 'uplot'

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
  /** Called with the place in `x` that was clicked. */
  pick?: (i: number) => void
}

/** A chart of several series over the same x. It is made once, and given new data as they come. */
export const Plot = ({ label, xTitle, yTitle, x, series, ys, isLog = false, isTime = false, pick }: Props) => {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot>(undefined)
  const picked = useRef(pick)
  picked.current = pick
  const data = [x, ...ys] as uPlot.AlignedData
  const shape = JSON.stringify([series, isLog, isTime, xTitle, yTitle])
  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew only when it is another kind of chart
  useEffect(() => {
    const element = place.current!
    const make = () => {
      chart.current?.destroy()
      chart.current = new uPlot(optionsOf(element, { xTitle, yTitle, series, isLog, isTime }), data, element)
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
  useEffect(() => chart.current?.setData(data), [x, ys])
  return <div ref={place} className="chart" role="img" aria-label={label} />
}

const legendHeight = 34

const sizeOf = (element: HTMLElement) => ({
  width: element.clientWidth,
  height: Math.max(60, element.clientHeight - legendHeight),
})

type Wanted = { xTitle: string; yTitle: string; series: Series[]; isLog: boolean; isTime: boolean }

const optionsOf = (element: HTMLElement, { xTitle, yTitle, series, isLog, isTime }: Wanted): uPlot.Options => {
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
    scales: { x: { time: isTime }, y: { distr: isLog ? 3 : 1 } },
    axes: [
      { ...axis, label: xTitle, size: 28 },
      { ...axis, label: yTitle, size: 52 },
    ],
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    series: [
      { label: xTitle, value: (_chart, value) => (isTime && value ? timeOf(value) : (value ?? '')) },
      ...series.map((one) => seriesOf(one, colour(one.colour))),
    ],
  }
}

const timeOf = (seconds: number) =>
  new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

const seriesOf = ({ title, kind, width = 2, size = 4 }: Series, colour: string): uPlot.Series => ({
  label: title,
  value: (_chart, value) => (value === null || value === undefined ? '' : String(Number(value.toPrecision(5)))),
  stroke: colour,
  width,
  points: { show: false },
  ...(kind === 'dots' ? { paths: dots(size), fill: colour } : {}),
  ...(kind === 'steps' ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
  spanGaps: true,
})

/** All dots as one path of squares: thousands of circles would take longer than a frame. */
const dots =
  (size: number): uPlot.Series.PathBuilder =>
  (chart, series, from, to) => {
    const fill = new Path2D()
    const side = size * devicePixelRatio
    const [xs, ys] = [chart.data[0], chart.data[series]!]
    for (let i = from; i <= to; i++) {
      const y = ys[i]
      if (y === null || y === undefined) continue
      fill.rect(chart.valToPos(xs[i]!, 'x', true) - side / 2, chart.valToPos(y, 'y', true) - side / 2, side, side)
    }
    return { fill, stroke: null }
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
