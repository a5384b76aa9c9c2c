import { useCallback, useMemo, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { isWideRange, Plot, type Series } from '../../charts/plot.tsx'
import { useCalmed } from '../../live/calmed.ts'
import type { Point } from '../../live/outcomes.ts'
import { Command } from '../../parts/lesson.tsx'
import { Section } from '../../parts/section.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Thing } from '../../parts/thing.tsx'
import { count, plural, rounded } from '../../words/numbers.ts'
import { bestSoFar, paretoFront } from './optimum.ts'
import { Parameters } from './parameters.tsx'

/** So often the charts are drawn at most. */
const drawMs = 600

/** What jobs gave back, where it has numbers: how the best came down, how two of them trade, and which parameters matter. */
export const Results = ({ points: newest }: { points: Point[] }) => {
  const points = useCalmed(newest, drawMs)
  const inOrder = useOrdered(points, inJobOrder)
  const names = useMemo(() => namesIn(inOrder), [inOrder])
  const [chosen, setChosen] = useState<string>()
  const objective = chosen ?? (names.includes('loss') ? 'loss' : names[0])
  const told = useMemo(() => points.filter(({ numbers }) => objective !== undefined && objective in numbers), [points, objective])
  const lowestFirst = useCallback((a: Point, b: Point) => a.numbers[objective!]! - b.numbers[objective!]!, [objective])
  const ranked = useOrdered(told, lowestFirst)
  if (objective === undefined) return <NoNumbers points={points.length} />
  return (
    <>
      <Course points={inOrder} names={names} objective={objective} choose={setChosen} />
      {names.length > 1 && <Trade ranked={ranked} names={names} objective={objective} />}
      <Parameters ranked={ranked} objective={objective} />
      <Best ranked={ranked} objective={objective} />
    </>
  )
}

const inJobOrder = (a: Point, b: Point) => a.task - b.task || a.index - b.index

/** In order: those of before are so already, which a sort finds out by one look at each, and a few new ones go between them. */
const useOrdered = (points: Point[], compare: (a: Point, b: Point) => number): Point[] => {
  const before = useRef<Point[]>([])
  return useMemo(() => {
    const fresh = new Set(points)
    const known = before.current.filter((point) => fresh.delete(point))
    before.current = [...known, ...fresh].sort(compare)
    return before.current
  }, [points, compare])
}

/** The names of numbers, those that most have first. */
const namesIn = (points: Point[]): string[] => {
  const seen = new Map<string, number>()
  for (const { numbers } of points) for (const name in numbers) seen.set(name, (seen.get(name) ?? 0) + 1)
  return [...seen.keys()].sort((a, b) => seen.get(b)! - seen.get(a)!)
}

const NoNumbers = ({ points }: { points: number }) => (
  <div className="lesson">
    <p className="soft">
      {points > 0 ? `${plural(points, 'job')} ended, none of them with a number.` : 'No job has ended yet.'} What a
      function returns is drawn here when it is a number, or an object with numbers such as a loss:
    </p>
    <Command>npm start</Command>
  </div>
)

type Choice = { label: string; names: string[]; name: string; choose: (name: string) => void }

const NumberChoice = ({ label, names, name, choose }: Choice) => (
  <label className="tools small soft">
    {label}
    <select value={name} onChange={(event) => choose(event.target.value)}>
      {names.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  </label>
)

type CourseProps = { points: Point[]; names: string[]; objective: string; choose: (name: string) => void }

/** All points in the order of their jobs, and the best so far. */
const Course = ({ points, names, objective, choose }: CourseProps) => {
  const [, go] = useLocation()
  const { told, x, ys, best } = useMemo(() => {
    const its = points.filter(({ numbers }) => objective in numbers)
    const values = its.map(({ numbers }) => numbers[objective]!)
    const lowest = its[values.indexOf(Math.min(...values))]
    return { told: its, x: [...its.keys()], ys: [values, bestSoFar(values)], best: lowest }
  }, [points, objective])
  const isLog = isWideRange(ys[0] as number[])
  const series: Series[] = [
    { title: objective, colour: 'var(--soft)', kind: 'dots', size: told.length > 1000 ? 3 : 5 },
    { title: 'best so far', colour: 'var(--accent)', kind: 'steps', width: 2 },
  ]
  const aside = (
    <span className="tools">
      {best && (
        <span className="soft">
          lowest <b className="num">{rounded(best.numbers[objective]!)}</b> from <Thing id={best.id} />, of{' '}
          {count(told.length)}
        </span>
      )}
      <NumberChoice label="Of" names={names} name={objective} choose={choose} />
    </span>
  )
  return (
    <Section title={objective === 'loss' ? 'Best loss so far' : `${objective}, job by job`} aside={aside}>
      <Plot
        label={`${told.length} values of ${objective}, the lowest ${best ? rounded(best.numbers[objective]!) : 'unknown'}`}
        xTitle="job, in order"
        yTitle={isLog ? `${objective}, logarithmic` : objective}
        x={x}
        ys={ys}
        series={series}
        isLog={isLog}
        pick={(i) => go(`/${told[i]!.id}`)}
      />
    </Section>
  )
}

/** Two numbers against each other, with those that nobody beats in both. Of the second it is said whether lower or higher is better. */
const Trade = ({ ranked, names, objective }: { ranked: Point[]; names: string[]; objective: string }) => {
  const [, go] = useLocation()
  const others = names.filter((name) => name !== objective)
  const [chosen, setChosen] = useState<string>()
  const [better, setBetter] = useState('lower')
  const other = chosen !== undefined && others.includes(chosen) ? chosen : others[0]!
  const { told, x, ys, front } = useMemo(
    () => tradeOf(ranked, objective, other, better === 'higher'),
    [ranked, objective, other, better],
  )
  const aside = (
    <span className="tools">
      <NumberChoice label="Against" names={others} name={other} choose={setChosen} />
      <NumberChoice label="of which better is" names={['lower', 'higher']} name={better} choose={setBetter} />
    </span>
  )
  return (
    <Section title="Pareto front" aside={aside}>
      <Plot
        label={`${other} against ${objective}: ${told.length} jobs, ${front} of them unbeaten`}
        xTitle={objective}
        yTitle={other}
        x={x}
        ys={ys}
        series={[
          { title: other, colour: 'var(--soft)', kind: 'dots', size: 4 },
          { title: 'unbeaten', colour: 'var(--accent)', kind: 'steps', width: 2 },
        ]}
        pick={(i) => go(`/${told[i]!.id}`)}
      />
    </Section>
  )
}

const tradeOf = (ranked: Point[], objective: string, other: string, isHigherBetter: boolean) => {
  const told = ranked.filter(({ numbers }) => other in numbers)
  const first = told.map(({ numbers }) => numbers[objective]!)
  const second = told.map(({ numbers }) => numbers[other]!)
  const unbeaten = new Set(paretoFront(first, isHigherBetter ? second.map((value) => -value) : second))
  const line = second.map((value, i) => (unbeaten.has(i) ? value : null))
  return { told, x: first, ys: [second, line], front: unbeaten.size }
}

const mostListed = 20

const bestColumns = (objective: string): Column<Point>[] => [
  { id: 'job', title: 'Job', width: '7rem', cell: ({ id }) => <Thing id={id} /> },
  { id: 'task', title: 'Task', width: '6rem', cell: ({ taskId }) => <Thing id={taskId} />, isWide: true },
  {
    id: 'number',
    title: objective,
    width: '9rem',
    cell: ({ numbers }) => rounded(numbers[objective]!),
    isRight: true,
  },
  { id: 'says', title: 'Value', cell: ({ says }) => <span className="mono" title={says}>{says}</span> },
]

const Best = ({ ranked, objective }: { ranked: Point[]; objective: string }) => {
  const columns = useMemo(() => bestColumns(objective), [objective])
  const best = useMemo(() => ranked.slice(0, mostListed), [ranked])
  return (
    <Section title={`The ${Math.min(mostListed, best.length)} lowest`}>
      <Table label="Lowest" rows={best} columns={columns} keyOf={({ id }) => id} />
    </Section>
  )
}
