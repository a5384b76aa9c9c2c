import { useLocation, useSearch } from 'wouter'
import type { Workflow } from '../../../../src/contract/workflows.ts'

type State = Workflow['state']

export const workflowStates: readonly State[] = [
  ...(['running', 'registered', 'paused', 'done', 'finished', 'failed', 'cancelled', 'expired'] as const),
]

/** What the list is filtered by, as it stands in the address; `group` is the label by whose values it is shown. */
export type Filter = {
  state: State[]
  label: string[]
  owner?: string
  program?: string
  text?: string
  since?: string
  until?: string
  group?: string
}

const labelPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=/

export const isLabel = (word: string) => labelPattern.test(word)

const isTime = (word: string | null) => word !== null && !Number.isNaN(Date.parse(word))

export const readFilter = (search: URLSearchParams): Filter => ({
  state: workflowStates.filter((state) => search.getAll('state').includes(state)),
  label: search.getAll('label').filter(isLabel).slice(0, 20),
  owner: search.get('owner') ?? undefined,
  program: search.get('program') ?? undefined,
  text: search.get('text') ?? undefined,
  since: isTime(search.get('since')) ? search.get('since')! : undefined,
  until: isTime(search.get('until')) ? search.get('until')! : undefined,
  group: search.get('group') ?? undefined,
})

export const hrefOf = (filter: Filter): string => {
  const words = Object.entries(filter).flatMap(([name, said]) => [said].flat().map((word) => [name, word ?? '']))
  const text = new URLSearchParams(words.filter(([, word]) => word !== '') as [string, string][]).toString()
  return text ? `/workflows?${text}` : '/workflows'
}

export const useFilter = () => {
  const [, go] = useLocation()
  const filter = readFilter(new URLSearchParams(useSearch()))
  const change = (more: Partial<Filter>) => go(hrefOf({ ...filter, ...more }), { replace: true })
  return [filter, change] as const
}

/** A day may stand for its begin. */
const timeOf = (word: string | undefined) => word && new Date(word).toISOString()

/** What is asked of the server for it. */
export const queryOf = ({ group: _, since, until, ...filter }: Filter) => ({
  ...filter,
  state: filter.state.length > 0 ? filter.state : undefined,
  label: filter.label.length > 0 ? filter.label : undefined,
  since: timeOf(since),
  until: timeOf(until),
})
