import { keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query'
import type { Job } from '../../../src/contract/jobs.ts'
import type { QueryInputOf } from '../../../src/contract/routes.ts'
import type { Task } from '../../../src/contract/tasks.ts'
import type { Workflow } from '../../../src/contract/workflows.ts'
import { ask, askOn, isFinal } from './ask.ts'

export type WorkflowId = Workflow['id']
export type TaskId = Task['id']
export type JobId = Job['id']

/** While the server is away it is asked again and again; what it refuses is not asked twice. */
export const makeQueryClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: {
        networkMode: 'always',
        retry: (_failures, error) => !isFinal(error),
        retryDelay: (failures) => Math.min(8000, 1000 * 2 ** failures),
        staleTime: 500,
      },
    },
  })

/** The stream of the experiment keeps lists up to date; so often they are asked for all the same, ms. */
const listsMs = 30_000

/** No list is asked for more rows at once. */
export const pageSize = 200

const hasEnded = (thing: { endedAt: string | null } | undefined) => thing !== undefined && thing.endedAt !== null

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => ask('GET /v1/me', { signal }),
  staleTime: Number.POSITIVE_INFINITY,
})

/** What the first page shows; the stream of the experiment says when to look again, and its minutes go by. */
export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: ({ signal }) => ask('GET /v1/overview', { signal }),
  refetchInterval: listsMs,
})

export const queuesQuery = queryOptions({
  queryKey: ['queues'],
  queryFn: ({ signal }) => ask('GET /v1/queues', { signal }),
  refetchInterval: listsMs,
})

export const pilotsQuery = queryOptions({
  queryKey: ['pilots'],
  queryFn: ({ signal }) => ask('GET /v1/pilots', { query: { limit: pageSize }, signal }),
  refetchInterval: listsMs,
})

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: ({ signal }) => ask('GET /v1/users', { signal }),
  refetchInterval: listsMs,
})

export const searchQuery = (text: string) =>
  queryOptions({
    queryKey: ['search', text],
    queryFn: ({ signal }) => ask('GET /v1/search', { query: { q: text }, signal }),
    enabled: text !== '',
    placeholderData: keepPreviousData,
    staleTime: 5000,
  })

export type WorkflowFilter = Omit<QueryInputOf<'listWorkflows'>, 'after' | 'limit'>

/** A page of workflows, newest first. */
export const workflowsAfter = (filter: WorkflowFilter, first?: string, signal?: AbortSignal) =>
  askOn(pageSize, (after = first) => ask('GET /v1/workflows', { query: { ...filter, limit: pageSize, after }, signal }))

export const recentWorkflowsQuery = (filter: WorkflowFilter) =>
  queryOptions({
    queryKey: ['workflows', filter],
    queryFn: ({ signal }) => workflowsAfter(filter, undefined, signal),
    refetchInterval: listsMs,
  })

export const workflowQuery = (id: WorkflowId) =>
  queryOptions({
    queryKey: ['workflow', id],
    queryFn: ({ signal }) => ask('GET /v1/workflows/:id', { params: { id }, signal }),
    refetchInterval: ({ state }) => (hasEnded(state.data) ? 20_000 : 4000),
  })

export const graphQuery = (id: WorkflowId, isOver: boolean) =>
  queryOptions({
    queryKey: ['graph', id],
    queryFn: ({ signal }) => ask('GET /v1/workflows/:id/graph', { params: { id }, signal }),
    refetchInterval: isOver ? false : listsMs,
    // It may have thousands of nodes: to compare all of them with those before takes longer than it spares.
    structuralSharing: false,
  })

export const taskQuery = (id: TaskId) =>
  queryOptions({
    queryKey: ['task', id],
    queryFn: ({ signal }) => ask('GET /v1/tasks/:id', { params: { id }, signal }),
    refetchInterval: ({ state }) => (hasEnded(state.data) ? 20_000 : 1500),
  })

export const settingsQuery = (id: TaskId) =>
  queryOptions({
    queryKey: ['settings', id],
    queryFn: ({ signal }) => ask('GET /v1/tasks/:id/settings', { params: { id }, signal }),
    staleTime: 60_000,
  })

export const jobQuery = (id: JobId) =>
  queryOptions({
    queryKey: ['job', id],
    queryFn: ({ signal }) => ask('GET /v1/jobs/:id', { params: { id }, signal }),
    refetchInterval: ({ state }) => (jobHasEnded(state.data?.state) ? 20_000 : 1500),
  })

/** What its attempts used over time; asked for once more when it has ended, since the last of it comes then. */
export const resourcesQuery = (id: JobId, isOver: boolean) =>
  queryOptions({
    queryKey: ['resources', id, isOver],
    queryFn: ({ signal }) => ask('GET /v1/jobs/:id/resources', { params: { id }, signal }),
    refetchInterval: isOver ? 20_000 : 5000,
    placeholderData: (before, query) => (query?.queryKey[1] === id ? before : undefined),
  })

const jobHasEnded = (state: string | undefined) => ['finished', 'failed', 'cancelled', 'closed'].includes(state ?? '')

/** Why something is as it is. Of what went well there is nothing to tell. */
export const explanationQuery = (id: WorkflowId | TaskId | JobId, state: string | undefined) =>
  queryOptions({
    queryKey: ['explanation', id, state],
    queryFn: ({ signal }) => explain(id, signal),
    enabled: state !== undefined && state !== 'done' && !(id.startsWith('j') && state === 'finished'),
    refetchInterval: 4000,
    placeholderData: (earlier) => earlier,
  })

const explain = (id: string, signal: AbortSignal) => {
  if (id.startsWith('w')) return ask('GET /v1/workflows/:id/explain', { params: { id: id as WorkflowId }, signal })
  if (id.startsWith('t')) return ask('GET /v1/tasks/:id/explain', { params: { id: id as TaskId }, signal })
  return ask('GET /v1/jobs/:id/explain', { params: { id: id as JobId }, signal })
}
