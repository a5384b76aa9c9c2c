import { type InfiniteData, type QueryClient, useInfiniteQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Move } from '../../../src/contract/jobs.ts'
import { ask } from '../api/ask.ts'
import { type JobId, pageSize, type WorkflowId } from '../api/queries.ts'

type Page = { items: Move[]; next: string | null }

const keyOf = (id: string) => ['story', id] as const

const readPage = (id: WorkflowId | JobId, after: string | undefined, signal: AbortSignal) => {
  const query = { limit: pageSize, after }
  if (id.startsWith('w'))
    return ask('GET /v1/workflows/:id/history', { params: { id: id as WorkflowId }, query, signal })
  return ask('GET /v1/jobs/:id/history', { params: { id: id as JobId }, query, signal })
}

/** The moves of a thing from the first on, a page at a time. Those of a job are few, and are asked for again while it lives. */
export const useStory = (id: WorkflowId | JobId, refetchInterval: number | false) => {
  const query = useInfiniteQuery({
    queryKey: keyOf(id),
    queryFn: ({ pageParam, signal }) => readPage(id, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page) => page.next ?? undefined,
    refetchInterval,
    structuralSharing: false,
  })
  const moves = useMemo(() => query.data?.pages.flatMap(({ items }) => items) ?? [], [query.data])
  return {
    moves,
    more: query.hasNextPage ? () => query.fetchNextPage() : undefined,
    isRead: query.isSuccess,
    isFull: (query.data?.pages.at(-1)?.items.length ?? 0) >= mostLater,
  }
}

/** So many moves are kept of what happens while the page is open: a workflow that goes on for days moves without end. */
const mostLater = 2000

/** What happens later is added once the end has been read. */
export const addMoves = (client: QueryClient, id: WorkflowId, moves: Move[]) =>
  client.setQueryData<InfiniteData<Page>>(keyOf(id), (old) => {
    const last = old?.pages.at(-1)
    if (!old || !last || last.next !== null || last.items.length >= mostLater) return old
    const known = new Set(last.items.map(signOf))
    const items = [...last.items, ...moves.filter((move) => !known.has(signOf(move)))]
    return { ...old, pages: [...old.pages.slice(0, -1), { ...last, items }] }
  })

export const signOf = ({ id, at, to, trigger }: Move) => `${id} ${at} ${to} ${trigger}`
