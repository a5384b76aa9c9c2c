import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import type { Task } from '../../../src/contract/tasks.ts'
import type { JournalEntry } from '../../../src/contract/workflows.ts'
import { ask } from '../api/ask.ts'
import { type JobId, jobQuery, pageSize, type WorkflowId } from '../api/queries.ts'
import { askedAfter } from '../graph/askedAfter.ts'
import type { Links } from '../graph/taskGraph.ts'

/** Jobs whose calls are hung onto their task; of more the first. */
const mostParents = 100

type Journal = { entries: JournalEntry[]; version: number }

/** How the tasks of a workflow hang together: by what the program had been told before it asked for each, and by whose calls they are. */
export const useLinks = (id: WorkflowId, tasks: readonly Task[]): Links => {
  const client = useQueryClient()
  const key = ['journal', id]
  const { data } = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => readOn(id, client.getQueryData<Journal>(key), signal),
    staleTime: 2000,
  })
  const [size, known] = [tasks.length, data?.version]
  // biome-ignore lint/correctness/useExhaustiveDependencies: more tasks have more entries
  useEffect(() => {
    if (known !== undefined) client.invalidateQueries({ queryKey: key })
  }, [size])
  const parents = [...new Set(tasks.flatMap(({ parentJobId }) => parentJobId ?? []))].slice(0, mostParents)
  const parentTasks = useQueries({
    queries: parents.map((job) => ({
      ...jobQuery(job as JobId),
      refetchInterval: false as const,
      staleTime: Number.POSITIVE_INFINITY,
    })),
    combine: (jobs) => jobs.map((job) => job.data?.taskId).join(),
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: the entries are added to the same list; the version tells
  const after = useMemo(() => askedAfter(data?.entries ?? []), [known])
  // biome-ignore lint/correctness/useExhaustiveDependencies: told apart by their names
  const parentTask = useMemo(() => {
    const found = parentTasks.split(',')
    return new Map(parents.flatMap((job, i) => (found[i] ? [[job, found[i]] as [string, string]] : [])))
  }, [parents.join(), parentTasks])
  return useMemo(() => ({ after, parentTask }), [after, parentTask])
}

/** A journal only grows: it is read from where it was left. */
const readOn = async (
  id: WorkflowId,
  { entries, version }: Journal = { entries: [], version: 0 },
  signal: AbortSignal,
): Promise<Journal> => {
  const began = entries.length
  let next: number | null
  do {
    const after = entries.at(-1)?.seq ?? 0
    const page = await ask('GET /v1/workflows/:id/journal', {
      params: { id },
      query: { after, limit: pageSize },
      signal,
    })
    entries.push(...page.items)
    next = page.next
  } while (next !== null)
  return { entries, version: entries.length > began ? version + 1 : version }
}
