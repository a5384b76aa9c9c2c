import { useLocation, useSearch } from 'wouter'
import { type AttemptCause, attemptCauses } from '../../states/causes.ts'

/** How far back a page looks, h. */
export const windows = [
  { hours: 6, title: 'the last 6 hours' },
  { hours: 24, title: 'the last day' },
  { hours: 168, title: 'the last week' },
  { hours: 744, title: 'the last month' },
] as const

export type Filter = { hours: number; cause?: AttemptCause; queue?: string }

export const fromOf = (hours: number) => new Date(Date.now() - (hours - 1) * 3_600_000).toISOString()

/** What is filtered by stands in the address. */
export const useFilter = (path: string) => {
  const [, go] = useLocation()
  const search = new URLSearchParams(useSearch())
  const filter: Filter = {
    hours: windows.find(({ hours }) => String(hours) === search.get('hours'))?.hours ?? 24,
    cause: attemptCauses.find((cause) => cause === search.get('cause')),
    queue: search.get('queue') ?? undefined,
  }
  const setFilter = (change: Partial<Filter>) => go(`${path}${searchOf({ ...filter, ...change })}`, { replace: true })
  return [filter, setFilter] as const
}

export const searchOf = ({ hours, cause, queue }: Filter) => {
  const words = Object.entries({ hours: hours === 24 ? undefined : String(hours), cause, queue })
  const text = new URLSearchParams(words.filter(([, word]) => word) as [string, string][]).toString()
  return text ? `?${text}` : ''
}
