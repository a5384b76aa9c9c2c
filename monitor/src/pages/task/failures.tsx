import { useQueries, useQuery } from '@tanstack/react-query'
import type { JobLine } from '../../../../src/contract/jobs.ts'
import type { Task } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { jobQuery, pageSize } from '../../api/queries.ts'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { Thing } from '../../parts/thing.tsx'
import { count, plural } from '../../words/numbers.ts'
import { errorLine } from '../../words/values.ts'

/** The failures of a task by their cause, each with one of them as an example. */
export const Failures = ({ task }: { task: Task }) => {
  const failed = task.counts.failed ?? 0
  const { data } = useQuery({
    queryKey: ['failures', task.id, failed],
    queryFn: ({ signal }) =>
      ask('GET /v1/tasks/:id/jobs', { params: { id: task.id }, query: { state: 'failed', limit: pageSize }, signal }),
    enabled: failed > 0,
    placeholderData: (earlier) => earlier,
  })
  const causes = causesOf(data?.items ?? [])
  const examples = useQueries({
    queries: causes.map(({ jobs }) => ({
      ...jobQuery(jobs[0]!.id),
      refetchInterval: false as const,
      staleTime: 60_000,
    })),
    combine: (all) => all.map(({ data: job }) => job?.error),
  })
  if (failed === 0 || causes.length === 0) return null
  return (
    <Section
      title="Failures by cause"
      aside={data?.next && <span className="soft small">of the first {plural(pageSize, 'failure')}</span>}
    >
      <ul className="worries">
        {causes.map(({ cause, jobs }, i) => (
          <li key={cause}>
            <State state="failed" text={`${count(jobs.length)} ${cause}`} />
            <span title={examples[i]?.message}>{examples[i] && errorLine(examples[i])}</span>
            <Thing id={jobs[0]!.id} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

const causesOf = (jobs: JobLine[]) => {
  const byCause = new Map<string, JobLine[]>()
  for (const job of jobs) byCause.set(job.cause ?? 'unknown', [...(byCause.get(job.cause ?? 'unknown') ?? []), job])
  return [...byCause].map(([cause, its]) => ({ cause, jobs: its })).sort((a, b) => b.jobs.length - a.jobs.length)
}
