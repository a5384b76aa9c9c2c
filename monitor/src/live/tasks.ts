import { type QueryClient, queryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import type { Task } from '../../../src/contract/tasks.ts'
import { ask } from '../api/ask.ts'
import { pageSize, type TaskId, type WorkflowId } from '../api/queries.ts'
import { numberIn } from '../words/ids.ts'
import { type Known, onlyNewest } from './onlyNewest.ts'

/** The tasks of a workflow that are known here. The map is one and the same all the time; `version` tells that it has changed. */
export type Tasks = Known & { version: number; earlier: string | null; isRead: boolean }

/** So many tasks are kept of a workflow that makes more all the time; the oldest go, and are asked for again when they are wanted. */
const mostTasks = 3000

const noTasks = (): Tasks => ({ byId: new Map(), version: 0, earlier: null, isRead: false, marks: new Map() })

const keyOf = (id: WorkflowId) => ['tasks', id] as const

export const knownTasks = (client: QueryClient, id: WorkflowId) => client.getQueryData<Tasks>(keyOf(id)) ?? noTasks()

const readPage = (workflowId: WorkflowId, after?: string, signal?: AbortSignal) =>
  ask('GET /v1/tasks', { query: { workflowId, limit: pageSize, after }, signal })

/** The newest tasks, back to one that is known. */
const readNewest = async (client: QueryClient, id: WorkflowId, signal: AbortSignal): Promise<Tasks> => {
  const { byId, version, earlier, isRead, marks } = knownTasks(client, id)
  const known = new Set(byId.keys())
  let next: string | null | undefined
  do {
    const page = await readPage(id, next ?? undefined, signal)
    for (const task of page.items) byId.set(task.id, task)
    if (page.next) marks.set(page.items.at(-1)!.id, page.next)
    next = page.items.some((task) => known.has(task.id)) ? null : page.next
  } while (isRead && next)
  const forgotten = onlyNewest({ byId, marks }, mostTasks)
  return { byId, marks, version: version + 1, earlier: forgotten ?? (isRead ? earlier : (next ?? null)), isRead: true }
}

const tasksQuery = (client: QueryClient, id: WorkflowId, isOver: boolean) =>
  queryOptions({
    queryKey: keyOf(id),
    queryFn: ({ signal }) => readNewest(client, id, signal),
    refetchInterval: isOver ? 20_000 : 4000,
  })

/** The tasks of a workflow in their order, the newest `wanted` of them, kept up to date by whoever follows the workflow. */
export const useTasks = (id: WorkflowId, wanted: number, isOver: boolean) => {
  const client = useQueryClient()
  const { data } = useQuery(tasksQuery(client, id, isOver))
  const { byId, version = 0, earlier = null } = data ?? {}
  const size = byId?.size ?? 0
  useEffect(() => {
    if (earlier && size < wanted) readEarlier(client, id, earlier)
  }, [client, id, earlier, size, wanted])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map is the same when what is in it has changed; the version tells
  const tasks = useMemo(() => inOrder(byId?.values() ?? []), [byId, version])
  const hasEarlier = earlier !== null
  return { tasks, isRead: data?.isRead ?? false, hasEarlier, mayReadEarlier: hasEarlier && size < mostTasks }
}

const inOrder = (tasks: Iterable<Task>) => [...tasks].sort((a, b) => numberIn(a.id) - numberIn(b.id))

const readEarlier = async (client: QueryClient, id: WorkflowId, earlier: string) => {
  const page = await readPage(id, earlier).catch(() => undefined)
  if (!page) return
  changeTasks(
    client,
    id,
    (tasks) => {
      for (const task of page.items) if (!tasks.has(task.id)) tasks.set(task.id, task)
    },
    page.next,
  )
}

/** One page further back. */
export const readMoreTasks = (client: QueryClient, id: WorkflowId) => {
  const { earlier } = knownTasks(client, id)
  return earlier === null ? undefined : readEarlier(client, id, earlier)
}

/** Changes what is known of tasks, and has it drawn. */
export const changeTasks = (
  client: QueryClient,
  id: WorkflowId,
  change: (tasks: Map<TaskId, Task>) => void,
  earlier?: string | null,
) =>
  client.setQueryData<Tasks>(keyOf(id), (old = noTasks()) => {
    change(old.byId)
    return { ...old, version: old.version + 1, earlier: earlier === undefined ? old.earlier : earlier }
  })

export const askForTasks = (client: QueryClient, id: WorkflowId) => client.invalidateQueries({ queryKey: keyOf(id) })
