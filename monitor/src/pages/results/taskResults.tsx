import { useQuery } from '@tanstack/react-query'
import type { Task } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { pageSize, type TaskId } from '../../api/queries.ts'
import { mostOutcomes, type Point, pointOf } from '../../live/outcomes.ts'
import { hasEnded } from '../../states/counts.ts'
import { Results } from './results.tsx'

const TaskResults = ({ task }: { task: Task }) => {
  const { data } = useQuery({
    queryKey: ['points', task.id],
    queryFn: ({ signal }) => readPoints(task.id, signal),
    refetchInterval: hasEnded(task.state) ? 30_000 : 4000,
  })
  return data && <Results points={data} />
}
export default TaskResults

/** All that have ended. */
const readPoints = async (id: TaskId, signal: AbortSignal): Promise<Point[]> => {
  const points: Point[] = []
  let after: string | undefined
  do {
    const page = await ask('GET /v1/tasks/:id/outcomes', { params: { id }, query: { after, limit: pageSize }, signal })
    points.push(...page.items.map(pointOf))
    after = page.next ?? undefined
  } while (after && points.length < mostOutcomes)
  return points
}
