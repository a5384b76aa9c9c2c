import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Task } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { pageSize, type TaskId } from '../../api/queries.ts'
import { mostOutcomes, type Point, pointOf } from '../../live/outcomes.ts'
import { hasEnded } from '../../states/counts.ts'
import { Results } from './results.tsx'
import { wholePages } from './wholePages.ts'

const TaskResults = ({ task }: { task: Task }) => {
  const client = useQueryClient()
  // A new round runs again what had failed.
  const queryKey = ['points', task.id, task.round]
  const { data } = useQuery({
    queryKey,
    queryFn: ({ signal }) => readPages(task.id, client.getQueryData<Page[]>(queryKey) ?? [], signal),
    refetchInterval: hasEnded(task.state) ? 30_000 : 4000,
    structuralSharing: false,
  })
  const points = useMemo(() => data?.flatMap((page) => page.points), [data])
  return points && <Results points={points} />
}
export default TaskResults

type Page = { after: string | undefined; points: Point[]; next: string | null }

/** All that have ended. Jobs end about in their order: what is whole from the first on is not read again. */
const readPages = async (id: TaskId, known: Page[], signal: AbortSignal): Promise<Page[]> => {
  const pages = known.slice(0, wholePages(known, pageSize))
  let after = pages.at(-1)?.next ?? undefined
  do {
    const { items, next } = await ask('GET /v1/tasks/:id/outcomes', {
      params: { id },
      query: { after, limit: pageSize },
      signal,
    })
    pages.push({ after, points: items.map(pointOf), next })
    after = next ?? undefined
  } while (after && pages.length < mostOutcomes / pageSize)
  return pages
}
