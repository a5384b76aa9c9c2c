import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { ask } from '../../api/ask.ts'
import { pageSize } from '../../api/queries.ts'
import { type Filter, fromOf } from './window.ts'

/** What fails in a window, the most frequent first. */
export const troublesQuery = ({ hours, ...words }: Filter) =>
  queryOptions({
    queryKey: ['troubles', { hours, ...words }],
    queryFn: ({ signal }) =>
      ask('GET /v1/troubles', { query: { ...words, from: fromOf(hours), limit: pageSize }, signal }),
    refetchInterval: 5000,
    placeholderData: keepPreviousData,
  })
