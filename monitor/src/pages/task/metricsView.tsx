import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation } from 'wouter'
import type { Task } from '../../../../src/contract/tasks.ts'
import type { TaskMetric } from '../../../../src/contract/told.ts'
import { ask } from '../../api/ask.ts'
import { pageSize, type TaskId } from '../../api/queries.ts'
import { isWideRange, Plot } from '../../charts/plot.tsx'
import { Pending } from '../../parts/pending.tsx'
import { Section } from '../../parts/section.tsx'
import { hasEnded } from '../../states/counts.ts'

/** Of more jobs the first so many are drawn. */
const mostJobs = 2000

/** The last of each metric over the jobs of a task. */
const MetricsView = ({ task }: { task: Task }) => {
  const names = useNames(task)
  const [chosen, setChosen] = useState<string>()
  const [, go] = useLocation()
  const name = chosen ?? names?.[0]
  const { data, isLoading } = useQuery({
    queryKey: ['task metric', task.id, name],
    queryFn: ({ signal }) => readAll(task.id, name!, signal),
    enabled: name !== undefined,
    refetchInterval: hasEnded(task.state) ? 20_000 : 4000,
    placeholderData: (earlier) => earlier,
  })
  if (!names || isLoading) return <Pending />
  if (names.length === 0) return <NoMetrics />
  const told = data?.filter(({ last }) => typeof last?.value === 'number') ?? []
  const values = told.map(({ last }) => last!.value as number)
  return (
    <Section title="Last of each job" aside={<NameChoice names={names} name={name!} choose={setChosen} />}>
      <Plot
        label={`${name} of ${told.length} jobs`}
        xTitle="job"
        yTitle={name!}
        x={told.map(({ index }) => index)}
        ys={[values]}
        series={[{ title: name!, colour: 'var(--accent)', kind: 'dots', size: 5 }]}
        isLog={isWideRange(values)}
        pick={(i) => go(`/${told[i]!.jobId}`)}
      />
    </Section>
  )
}
export default MetricsView

type Choice = { names: string[]; name: string; choose: (name: string) => void }

const NameChoice = ({ names, name, choose }: Choice) => (
  <label className="tools small soft">
    Metric
    <select value={name} onChange={(event) => choose(event.target.value)}>
      {names.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  </label>
)

const NoMetrics = () => (
  <div className="lesson">
    <p className="soft">Its first job has told no metrics. A job tells them as it runs:</p>
    <pre className="text">culm.report(step, loss=0.25)</pre>
  </div>
)

/** By what its first job has told. */
const useNames = (task: Task) => {
  const { data } = useQuery({
    queryKey: ['metric names', task.id],
    queryFn: async ({ signal }) => {
      const params = { id: task.id }
      const { items } = await ask('GET /v1/tasks/:id/jobs', { params, query: { limit: 1 }, signal })
      if (!items[0]) return []
      const told = await ask('GET /v1/jobs/:id/metrics', {
        params: { id: items[0].id },
        query: { limit: pageSize },
        signal,
      })
      return [...new Set(told.items.map(({ name }) => name))].sort()
    },
    refetchInterval: ({ state }) => (state.data?.length === 0 && !hasEnded(task.state) ? 3000 : false),
  })
  return data
}

const readAll = async (id: TaskId, name: string, signal: AbortSignal): Promise<TaskMetric[]> => {
  const all: TaskMetric[] = []
  let after: string | undefined
  do {
    const page = await ask('GET /v1/tasks/:id/metrics', {
      params: { id },
      query: { name, after, limit: pageSize },
      signal,
    })
    all.push(...page.items)
    after = page.next ?? undefined
  } while (after && all.length < mostJobs)
  return all
}
