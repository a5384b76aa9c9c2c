import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import type { Workflow } from '../../../../src/contract/workflows.ts'
import { ask } from '../../api/ask.ts'
import { pageSize, recentWorkflowsQuery } from '../../api/queries.ts'
import { useMayChange } from '../../parts/actions/actions.tsx'
import { usePicked, withPicks } from '../../parts/actions/picked.tsx'
import { Command, Lesson } from '../../parts/lesson.tsx'
import { say } from '../../parts/says.tsx'
import { Table } from '../../parts/table.tsx'
import { numberIn } from '../../words/ids.ts'
import { workflowColumns } from './workflowColumns.tsx'

const states = ['running', 'registered', 'paused', 'done', 'finished', 'failed', 'cancelled', 'expired'] as const
type Filter = { state?: (typeof states)[number]; owner?: string; program?: string }

/** All workflows, newest first; what is filtered by stands in the address. */
const WorkflowsPage = () => {
  const [filter, setFilter] = useFilter()
  const { workflows, more, isRead } = useWorkflows(filter)
  const mayChange = useMayChange()
  const picked = usePicked(workflows, { targetOf: (workflow) => workflow, mayPick: mayChange, noun: 'workflow' })
  useEffect(() => {
    document.title = 'Workflows · Culm'
  }, [])
  return (
    <>
      <div className="section-head">
        <h1>Workflows</h1>
        <div className="tools">
          {picked.tools}
          <Filters filter={filter} setFilter={setFilter} />
        </div>
      </div>
      {workflows.length > 0 && (
        <Table
          label="Workflows"
          rows={workflows}
          columns={withPicks(workflowColumns, picked.column, workflows.some(mayChange))}
          keyOf={({ id }) => id}
        />
      )}
      {isRead && workflows.length === 0 && <None isFiltered={Object.values(filter).some(Boolean)} />}
      {more && (
        <div className="more">
          <button type="button" onClick={more}>
            Show older ones
          </button>
        </div>
      )}
    </>
  )
}
export default WorkflowsPage

const useFilter = () => {
  const [, go] = useLocation()
  const search = new URLSearchParams(useSearch())
  const filter: Filter = {
    state: states.find((state) => state === search.get('state')),
    owner: search.get('owner') ?? undefined,
    program: search.get('program') ?? undefined,
  }
  const setFilter = (change: Filter) => {
    const words = Object.entries({ ...filter, ...change }).filter(([, word]) => word) as [string, string][]
    const text = new URLSearchParams(words).toString()
    go(text ? `/workflows?${text}` : '/workflows', { replace: true })
  }
  return [filter, setFilter] as const
}

const Filters = ({ filter, setFilter }: { filter: Filter; setFilter: (change: Filter) => void }) => (
  <div className="tools">
    <select
      aria-label="State"
      value={filter.state ?? ''}
      onChange={(event) => setFilter({ state: (event.target.value || undefined) as Filter['state'] })}
    >
      <option value="">any state</option>
      {states.map((state) => (
        <option key={state}>{state}</option>
      ))}
    </select>
    {(['owner', 'program'] as const).map((name) => (
      <input
        key={name}
        type="search"
        aria-label={name}
        placeholder={name === 'owner' ? 'user' : name}
        size={10}
        defaultValue={filter[name]}
        onKeyDown={(event) => event.key === 'Enter' && setFilter({ [name]: event.currentTarget.value.trim() })}
        onBlur={(event) =>
          event.target.value.trim() !== (filter[name] ?? '') && setFilter({ [name]: event.target.value.trim() })
        }
      />
    ))}
  </div>
)

/** The newest page again and again; what was asked for beyond that stays as it came. */
const useWorkflows = (filter: Filter) => {
  const { data } = useQuery(recentWorkflowsQuery(filter))
  const [older, setOlder] = useState<{ for: string; items: Workflow[]; next: string | null }>()
  const key = JSON.stringify(filter)
  const own = older?.for === key ? older : undefined
  const next = own ? own.next : data?.next
  const more = async () => {
    try {
      const page = await ask('GET /v1/workflows', { query: { ...filter, limit: pageSize, after: next! } })
      setOlder({ for: key, items: [...(own?.items ?? []), ...page.items], next: page.next })
    } catch (error) {
      say((error as Error).message)
    }
  }
  const byId = new Map([...(own?.items ?? []), ...(data?.items ?? [])].map((workflow) => [workflow.id, workflow]))
  const workflows = [...byId.values()].sort((a, b) => numberIn(b.id) - numberIn(a.id))
  return { workflows, more: next ? more : undefined, isRead: data !== undefined }
}

const None = ({ isFiltered }: { isFiltered: boolean }) =>
  isFiltered ? (
    <p className="nothing">No workflow is like that.</p>
  ) : (
    <Lesson title="Nothing has run yet">
      <p className="soft">Send a command, and watch it here:</p>
      <Command>culm submit -- echo hello</Command>
    </Lesson>
  )
