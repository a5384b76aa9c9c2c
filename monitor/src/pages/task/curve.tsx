import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Task, TaskCurve } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { type Band, Stack } from '../../charts/stack.tsx'
import { Pending } from '../../parts/pending.tsx'
import { Section } from '../../parts/section.tsx'
import { hasEnded, partsOf } from '../../states/counts.ts'
import { between } from '../../words/durations.ts'

/** Of what took less there are too few moments to see anything, ms. */
const shortestMs = 3000

/** The jobs of a task by state over time, in the colours of the bar above. */
export const Curve = ({ task }: { task: Task }) => {
  const { data, isLoading } = useQuery({
    queryKey: ['curve', task.id],
    queryFn: ({ signal }) => ask('GET /v1/tasks/:id/curve', { params: { id: task.id }, signal }),
    refetchInterval: hasEnded(task.state) ? 20_000 : 2000,
    enabled: task.counts.total > 1,
  })
  const points = data?.items ?? []
  const bands = useMemo(() => bandsOf(data?.items ?? []), [data])
  if (isLoading) return <Pending />
  if (points.length < 3) return null
  const [first, last] = [points[0]!.at, points.at(-1)!.at]
  if (Date.parse(last) - Date.parse(first) < shortestMs) return null
  return (
    <Section title="Jobs by state over time">
      <Stack
        label={`Jobs by state over ${between(first, last)}: ${bands.map(({ name }) => name).join(', ')}`}
        times={points.map(({ at }) => Date.parse(at))}
        bands={bands}
        from={new Date(first).toLocaleString()}
        to={`${between(first, last)} later`}
      />
    </Section>
  )
}

/** From what is over at the bottom to what is still to come. */
const bandsOf = (points: TaskCurve['items']): Band[] => {
  const most = Object.fromEntries(points.flatMap(({ counts }) => partsOf(counts).map(({ state, n }) => [state, n])))
  return partsOf({ total: 1, ...most }).map(({ state, kind }) => ({
    ...{ name: state, kind },
    values: points.map(({ counts }) => counts[state] ?? 0),
  }))
}
