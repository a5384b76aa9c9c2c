import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { Histogram, Task, TaskSpread } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { Bars } from '../../charts/bars.tsx'
import { Section } from '../../parts/section.tsx'
import { duration } from '../../words/durations.ts'
import { count, plural, rounded } from '../../words/numbers.ts'

/** How often a task that lives is looked at again, ms. */
const refreshMs = 5000

type Measure = {
  of: 'wallSeconds' | 'memoryMb' | 'cpuShare'
  title: (task: Task) => string
  unit: string
  show: (n: number) => string
}

const measures: readonly Measure[] = [
  { of: 'wallSeconds', title: () => 'Duration', unit: ' s', show: (seconds) => duration(seconds * 1000) },
  { of: 'memoryMb', title: () => 'Memory', unit: ' MB', show: (mb) => `${count(Math.ceil(mb))} MB` },
  { of: 'cpuShare', title: ({ cores }) => `Cores at work, of ${cores}`, unit: '', show: (n) => n.toFixed(2) },
]

/** How long the jobs of a task took, and how much they used of what they asked for. */
export const Spread = ({ task }: { task: Task }) => {
  const { finished = 0, failed = 0 } = task.counts
  const canTell = finished + failed > 1
  const { data } = useQuery({
    // What is known when it has ended stays so; until then the last answer is shown.
    queryKey: ['spread', task.id, task.endedAt],
    queryFn: ({ signal }) => ask('GET /v1/tasks/:id/spread', { params: { id: task.id }, signal }),
    refetchInterval: task.endedAt ? false : refreshMs,
    staleTime: refreshMs,
    placeholderData: keepPreviousData,
    enabled: canTell,
  })
  if (!canTell) return null
  return (
    <Section title="How long, how much" aside={data && <span className="soft small">{ofWhich(data)}</span>}>
      <div className="spreads">
        {measures.map((measure) => (
          <MeasureBars key={measure.of} {...measure} title={measure.title(task)} histogram={data?.[measure.of]} />
        ))}
      </div>
    </Section>
  )
}

/** All of them, or those that stand for all. */
const ofWhich = ({ jobs, of, ended }: TaskSpread) =>
  jobs === of
    ? `of ${plural(ended, 'job')} that ended`
    : `of ${count(jobs)} of ${count(of)} jobs, evenly by number${ended < jobs ? `; ${count(ended)} of them ended` : ''}`

type Shown = Omit<Measure, 'of' | 'title'> & { title: string; histogram: Histogram | null | undefined }

/** It has its place before the numbers are there, and keeps it when there are none. */
const MeasureBars = ({ title, unit, show, histogram }: Shown) => (
  <div className="spread">
    <h3>{title}</h3>
    {histogram === null && <p className="soft small">No job has said it.</p>}
    {histogram && (
      <>
        <Bars
          label={`${title}, ${plural(histogram.jobs, 'job')}: ${factsOf(histogram, show).join(', ')}`}
          bars={histogram.buckets.map(({ from, to, jobs }) => ({
            n: jobs,
            title: `${rounded(from)}–${rounded(to)}${unit}`,
          }))}
          from={show(histogram.buckets[0]!.from)}
          to={show(histogram.buckets.at(-1)!.to)}
        />
        <ul className="facts small num">
          {factsOf(histogram, show).map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
        </ul>
      </>
    )}
  </div>
)

const factsOf = ({ p50, p95, max }: Histogram, show: Measure['show']) => [
  `p50 ${show(p50)}`,
  `p95 ${show(p95)}`,
  `max ${show(max)}`,
]
