import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { Link } from 'wouter'
import type { UsageGroup, UsageReport } from '../../../../src/contract/usage.ts'
import { ask, send } from '../../api/ask.ts'
import { Plot } from '../../charts/plot.tsx'
import { Command, Lesson } from '../../parts/lesson.tsx'
import { Refused } from '../../parts/problem.tsx'
import { save } from '../../parts/save.ts'
import { say } from '../../parts/says.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { hours } from '../../words/durations.ts'
import { count, percent } from '../../words/numbers.ts'
import { type Asked, groupings, type Range, steps, timesOf, useAsked } from './asked.ts'

/** So many groups are drawn; a table without steps has two hundred. */
const mostLines = 8

/** What can be drawn over time; times in hours. */
const measures = {
  wallSeconds: { title: 'Wall time, h', of: 1 / 3600 },
  cpuSeconds: { title: 'CPU time, h', of: 1 / 3600 },
  attempts: { title: 'Attempts', of: 1 },
  finished: { title: 'Jobs finished', of: 1 },
  failed: { title: 'Jobs failed', of: 1 },
  cancelled: { title: 'Jobs cancelled', of: 1 },
} as const
type Measure = keyof typeof measures

const measureOf = ({ show }: Asked): Measure => (show in measures ? (show as Measure) : 'wallSeconds')

/** What was used, by whom, where and how it ended; what is asked for stands in the address. */
const ReportsPage = () => {
  const [asked, change] = useAsked()
  const { data, error } = useQuery({
    queryKey: ['usage', { ...asked, show: '' }],
    queryFn: ({ signal }) => ask('GET /v1/usage', { query: queryOf(asked), signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  })
  useEffect(() => {
    document.title = 'Reports · Culm'
  }, [])
  return (
    <>
      <div className="section-head">
        <h1>Reports</h1>
        <Choices asked={asked} change={change} />
      </div>
      <Refused error={error} />
      {data && data.items.length === 0 && <None />}
      {data && data.items.length > 0 && <Shown report={data} asked={asked} />}
    </>
  )
}
export default ReportsPage

const queryOf = (asked: Asked) => ({
  ...timesOf(asked),
  by: asked.by,
  step: asked.step,
  limit: asked.step === 'none' ? 200 : mostLines,
})

const Shown = ({ report, asked }: { report: UsageReport; asked: Asked }) => {
  const groups = useMemo(() => linesOf(report), [report])
  const columns = useMemo(() => columnsOf(report.by), [report.by])
  return (
    <>
      {report.step !== 'none' && <Over report={report} groups={groups} measure={measureOf(asked)} />}
      <Table label="Usage" rows={groups} columns={columns} keyOf={({ key }) => key} />
    </>
  )
}

type Line = UsageGroup & { key: string; words: string; colour?: string }

const linesOf = ({ items, other, by, step }: UsageReport): Line[] =>
  [
    ...items.map((group) => ({ ...group, key: `of ${group.name}`, words: group.name ?? noneOf(by) })),
    ...(other ? [{ ...other, key: 'other', words: 'all others' }] : []),
  ].map((group, i) => (step === 'none' ? group : { ...group, colour: colourOf(i) }))

const noneOf = (by: string) =>
  by === 'cause' ? 'ended well' : by === 'queue' || by === 'site' ? 'never ran' : 'no such label'

const hues = [153, 258, 48, 296, 27, 205, 100, 340, 230]
const colourOf = (i: number) => {
  const hue = hues[i % hues.length]
  return `light-dark(oklch(52% 0.14 ${hue}), oklch(74% 0.13 ${hue}))`
}

const Over = ({ report, groups, measure }: { report: UsageReport; groups: Line[]; measure: Measure }) => {
  const { title, of } = measures[measure]
  const { x, ys } = useMemo(() => seriesOf(report, groups, measure, of), [report, groups, measure, of])
  return (
    <Plot
      label={`${title} by ${report.step}, ${groups.length} lines`}
      xTitle="time"
      yTitle={title}
      x={x}
      ys={ys}
      isTime
      series={groups.map(({ words, colour }) => ({ title: words, colour: colour!, kind: 'line' }))}
    />
  )
}

const stepSeconds = { hour: 3600, day: 86_400, none: 0 }

/** Every step of the range, also those in which there was nothing. */
const seriesOf = ({ from, to, step }: UsageReport, groups: Line[], measure: Measure, of: number) => {
  const each = stepSeconds[step]
  const first = Math.floor(Date.parse(from) / 1000 / each)
  const last = Math.ceil(Date.parse(to) / 1000 / each)
  const x = Array.from({ length: last - first }, (_, i) => (first + i) * each)
  const ys = groups.map(({ series }) => {
    const y = new Array<number>(x.length).fill(0)
    for (const point of series) y[Math.floor(Date.parse(point.at) / 1000 / each) - first] = point[measure] * of
    return y
  })
  return { x, ys }
}

const titleOf = (by: string) =>
  by.startsWith('label:') ? by.slice('label:'.length) : by[0]!.toUpperCase() + by.slice(1)

const columnsOf = (by: string): Column<Line>[] => [
  {
    id: 'name',
    title: titleOf(by),
    cell: ({ name, words, colour }) => (
      <>
        {colour && <span className="swatch" style={{ background: colour }} />}
        {name === null ? <span className="soft">{words}</span> : <Named by={by} name={name} />}
      </>
    ),
    sortBy: ({ words }) => words,
  },
  numbers('attempts', 'Attempts', (line) => line.attempts, count, true),
  numbers('finished', 'Finished', (line) => line.finished, count),
  numbers('failed', 'Failed', (line) => line.failed, count),
  numbers('cancelled', 'Cancelled', (line) => line.cancelled, count, true),
  numbers('wall', 'Wall time', (line) => line.wallSeconds, hours),
  numbers('cpu', 'CPU time', (line) => line.cpuSeconds, hours, true),
  numbers(
    'busy',
    'CPU / wall',
    (line) => percent(line.cpuSeconds, line.wallSeconds),
    (n) => `${n} %`,
    true,
  ),
]

const numbers = (
  id: string,
  title: string,
  of: (line: Line) => number,
  show: (n: number) => string,
  isWide?: boolean,
): Column<Line> => ({
  id,
  title,
  width: isWide ? '7rem' : '5.6rem',
  isRight: true,
  isWide,
  cell: (line) => show(of(line)),
  sortBy: of,
})

/** A line leads to the workflows it is made of, where they can be listed so. */
const Named = ({ by, name }: { by: string; name: string }) => {
  const label = by.startsWith('label:') ? `${by.slice('label:'.length)}=${name}` : undefined
  const search: Record<string, string> | undefined = by === 'user' ? { owner: name } : label ? { label } : undefined
  if (!search) return name
  return (
    <Link href={`/workflows?${new URLSearchParams(search)}`} className="thing">
      {name}
    </Link>
  )
}

type Change = ReturnType<typeof useAsked>[1]

const Choices = ({ asked, change }: { asked: Asked; change: Change }) => {
  const today = new Date().toLocaleDateString('sv')
  const label = asked.by.startsWith('label:') ? asked.by.slice('label:'.length) : undefined
  const setRange = (range: Range) =>
    change(
      range === 'days'
        ? { range: undefined, first: asked.first || today, last: asked.last || today }
        : { range, first: undefined, last: undefined, step: undefined },
    )
  return (
    <div className="tools">
      <Choice name="Range" value={asked.range} choose={(word) => setRange(word as Range)} words={rangeWords} />
      {asked.range === 'days' &&
        (['first', 'last'] as const).map((end) => (
          <input
            key={end}
            type="date"
            aria-label={`${end} day`}
            value={asked[end]}
            onChange={({ target }) => target.value && change({ [end]: target.value })}
          />
        ))}
      <Choice
        name="Group by"
        value={label === undefined ? asked.by : 'label:'}
        choose={(word) => change({ by: word === 'label:' ? 'label:name' : word })}
        words={groupingWords}
      />
      {label !== undefined && (
        <input
          key={label}
          type="search"
          aria-label="Label"
          placeholder="name of a label"
          size={12}
          defaultValue={label}
          onKeyDown={(event) => event.key === 'Enter' && change({ by: `label:${event.currentTarget.value.trim()}` })}
          onBlur={({ target }) => target.value.trim() !== label && change({ by: `label:${target.value.trim()}` })}
        />
      )}
      <Choice name="Step" value={asked.step} choose={(step) => change({ step })} words={stepWords} />
      {asked.step !== 'none' && (
        <Choice name="Show" value={measureOf(asked)} choose={(show) => change({ show })} words={measureWords} />
      )}
      <button type="button" onClick={() => saveTable(asked)}>
        CSV
      </button>
    </div>
  )
}

const rangeWords = { day: 'last day', week: 'last week', month: 'last month', days: 'days…' }
const groupingWords = { ...Object.fromEntries(groupings.map((by) => [by, `by ${by}`])), 'label:': 'by label…' }
const stepWords = Object.fromEntries(steps.map((step) => [step, step === 'none' ? 'no steps' : `each ${step}`]))
const measureWords = Object.fromEntries(Object.entries(measures).map(([name, { title }]) => [name, title]))

type ChoiceProps = { name: string; value: string; choose: (word: string) => void; words: Record<string, string> }

const Choice = ({ name, value, choose, words }: ChoiceProps) => (
  <select aria-label={name} value={value} onChange={({ target }) => choose(target.value)}>
    {Object.entries(words).map(([word, title]) => (
      <option key={word} value={word}>
        {title}
      </option>
    ))}
  </select>
)

/** The whole table, as a file. */
const saveTable = async (asked: Asked) => {
  try {
    const { by, step } = asked
    const query = new URLSearchParams({ ...timesOf(asked), by, step, format: 'csv' })
    const table = await (await send(`/v1/usage?${query}`, {})).blob()
    save(`usage-by-${by.replace(/[^\w-]/g, '-')}.csv`, table)
  } catch (error) {
    say((error as Error).message)
  }
}

const None = () => (
  <Lesson title="Nothing was used in this time">
    <p className="soft">What ends is counted here a second later. A command to begin with:</p>
    <Command>culm submit --label campaign=first -- echo hello</Command>
  </Lesson>
)
