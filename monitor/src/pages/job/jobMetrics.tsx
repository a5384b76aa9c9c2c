import { useEffect, useState } from 'react'
import type { MetricLine } from '../../../../src/contract/told.ts'
import { ask } from '../../api/ask.ts'
import type { JobId } from '../../api/queries.ts'
import { isWideRange, Plot } from '../../charts/plot.tsx'
import { sleep, untilSeen } from '../../live/follow.ts'
import { Pending } from '../../parts/pending.tsx'
import { Section } from '../../parts/section.tsx'
import { rounded } from '../../words/numbers.ts'

/** So many charts at most; of each metric the last so many steps. */
const [mostCharts, mostSteps] = [12, 20_000]

/** What a job tells of itself by name and step, as it tells it. */
const JobMetrics = ({ id, isOver }: { id: JobId; isOver: boolean }) => {
  const byName = useMetrics(id, isOver)
  if (!byName) return <Pending />
  const names = [...byName.keys()].sort()
  if (names.length === 0) return null
  return (
    <Section title="Metrics" aside={names.length > mostCharts && <span className="soft">{names.length} in all</span>}>
      <div className="beside">
        {names.slice(0, mostCharts).map((name) => (
          <Metric key={name} name={name} points={byName.get(name)!} />
        ))}
      </div>
    </Section>
  )
}
export default JobMetrics

type Points = { steps: number[]; values: (number | null)[] }

const Metric = ({ name, points: { steps, values } }: { name: string; points: Points }) => {
  const known = values.filter((value) => value !== null)
  const last = known.at(-1)
  return (
    <Plot
      label={`${name} by step, ${steps.length} steps, last ${last === undefined ? 'unknown' : rounded(last)}`}
      xTitle="step"
      yTitle={name}
      x={steps}
      ys={[values]}
      series={[{ title: name, colour: 'var(--accent)', kind: steps.length > 1 ? 'line' : 'dots', size: 6 }]}
      isLog={isWideRange(known)}
    />
  )
}

/** Metrics by name, steps in order; undefined until the first answer. What is said again of a step takes the place of what was said before. */
const useMetrics = (id: JobId, isOver: boolean) => {
  const [byName, setByName] = useState<ReadonlyMap<string, Points>>()
  // biome-ignore lint/correctness/useExhaustiveDependencies: a job that ends says no more, and one that is retried says more
  useEffect(() => {
    const leaving = new AbortController()
    const said = new Map<string, Map<number, number | null>>()
    readMetrics(id, leaving.signal, (lines) => {
      for (const { name, step, value } of lines) {
        const steps = said.get(name) ?? new Map<number, number | null>()
        said.set(name, steps.set(step, typeof value === 'number' ? value : null))
      }
      setByName(new Map([...said].map(([name, steps]) => [name, pointsOf(steps)])))
    })
    return () => leaving.abort()
  }, [id, isOver])
  return byName
}

const pointsOf = (said: Map<number, number | null>): Points => {
  const steps = [...said.keys()].sort((a, b) => a - b).slice(-mostSteps)
  return { steps, values: steps.map((step) => said.get(step)!) }
}

const readMetrics = async (id: JobId, signal: AbortSignal, read: (lines: MetricLine[]) => void) => {
  let after: string | undefined
  // What there is comes at once, what there is not yet when it is said.
  for (let [isOver, waitSeconds] = [false, 0]; !isOver && !signal.aborted; waitSeconds = 20) {
    await untilSeen(signal)
    const page = await ask('GET /v1/jobs/:id/metrics', {
      params: { id },
      query: { waitSeconds, after, limit: 200 },
      signal,
    }).catch(() => undefined)
    if (signal.aborted) return
    if (page?.items.length || waitSeconds === 0) read(page?.items ?? [])
    after = page?.next ?? after
    isOver = page?.ended ?? false
    if (!page) await sleep(2000, signal)
  }
}
