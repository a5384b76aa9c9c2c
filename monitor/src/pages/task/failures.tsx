import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import type { Task } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { Pending } from '../../parts/pending.tsx'
import { Section } from '../../parts/section.tsx'
import { Thing } from '../../parts/thing.tsx'
import { TroubleLine } from '../../parts/troubleLine.tsx'
import { hasEnded } from '../../states/counts.ts'

/** What went wrong in a task, by kind: also what was tried again and went well. */
export const Failures = ({ task }: { task: Task }) => {
  const { data, isLoading } = useQuery({
    queryKey: ['task troubles', task.id],
    queryFn: ({ signal }) => ask('GET /v1/tasks/:id/troubles', { params: { id: task.id }, signal }),
    refetchInterval: hasEnded(task.state) ? 20_000 : 3000,
  })
  if (isLoading) return <Pending />
  if (!data || data.items.length === 0) return null
  return (
    <Section title="Failed attempts by kind" aside={<Link href="/errors">All errors</Link>}>
      <ul className="worries">
        {data.items.slice(0, 12).map((trouble) => (
          <TroubleLine key={trouble.id} trouble={trouble}>
            <Thing id={trouble.jobId} />
          </TroubleLine>
        ))}
      </ul>
    </Section>
  )
}
