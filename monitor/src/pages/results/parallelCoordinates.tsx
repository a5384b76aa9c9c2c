import { useMemo } from 'react'
import { rounded } from '../../words/numbers.ts'
import type { JobId } from '../../api/queries.ts'

/** A job as a trial: its arguments that are numbers, and what came of them. */
export type Trial = { id: JobId; value: number; parameters: Record<string, number> }

type Props = { trials: Trial[]; names: string[]; objective: string }
type Axis = { name: string; low: number; high: number; isLog: boolean; x: number; of: (trial: Trial) => number }

const [width, height, top] = [1000, 230, 24]

/** A line for each trial across its parameters to the objective; the better ones stand out and are drawn last. */
export const ParallelCoordinates = ({ trials, names, objective }: Props) => {
  const axes = useMemo(() => axesOf(trials, names, objective), [trials, names, objective])
  const inOrder = useMemo(() => trials.toSorted((a, b) => b.value - a.value), [trials])
  return (
    <div className="scroll">
      <svg
        className="parallel"
        viewBox={`0 0 ${width} ${height + top + 22}`}
        role="img"
        aria-label={`${trials.length} trials over ${names.join(', ')}`}
      >
        {inOrder.map((trial, i) => (
          <path key={trial.id} className="trial" opacity={opacityOf(i / inOrder.length)} d={pathOf(trial, axes)} />
        ))}
        {axes.map((axis) => (
          <AxisLine key={axis.name} axis={axis} />
        ))}
      </svg>
    </div>
  )
}

/** The best tenth clearly, the rest as a ground. */
const opacityOf = (rank: number) => (rank > 0.9 ? 0.9 : 0.08 + 0.14 * rank)

const axesOf = (trials: Trial[], names: string[], objective: string): Axis[] => {
  const shown = names.slice(0, 9)
  const readers = [
    ...shown.map((name) => ({ name, of: ({ parameters }: Trial) => parameters[name]! })),
    { name: objective, of: ({ value }: Trial) => value },
  ]
  return readers.map(({ name, of }, i) => {
    const values = trials.map(of)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    return { name, of, low, high, isLog: low > 0 && high / low > 30, x: 60 + (i * (width - 120)) / shown.length }
  })
}

const yOf = ({ low, high, isLog }: Axis, value: number) => {
  const scale = isLog ? Math.log : Number
  const share = high === low ? 0.5 : (scale(value) - scale(low)) / (scale(high) - scale(low))
  return top + height * (1 - share)
}

const pathOf = (trial: Trial, axes: Axis[]) =>
  axes.map((axis, i) => `${i ? 'L' : 'M'}${axis.x.toFixed(1)} ${yOf(axis, axis.of(trial)).toFixed(1)}`).join('')

const AxisLine = ({ axis: { x, name, low, high, isLog } }: { axis: Axis }) => (
  <g className="axis">
    <line x1={x} x2={x} y1={top} y2={top + height} />
    <text x={x} y={top - 12} textAnchor="middle" className="axis-name">
      {name}
      {isLog && ' (log)'}
    </text>
    <text x={x} y={top - 2} textAnchor="middle">
      {rounded(high)}
    </text>
    <text x={x} y={top + height + 12} textAnchor="middle">
      {rounded(low)}
    </text>
  </g>
)
