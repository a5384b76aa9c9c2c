import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import type { Workflow } from '../../../../src/contract/workflows.ts'
import { recentWorkflowsQuery, workflowsAfter } from '../../api/queries.ts'
import { useMayChange } from '../../parts/actions/actions.tsx'
import { usePicked, withPicks } from '../../parts/actions/picked.tsx'
import { Tally } from '../../parts/jobsBar.tsx'
import { Labels } from '../../parts/labels.tsx'
import { Command, Lesson } from '../../parts/lesson.tsx'
import { say } from '../../parts/says.tsx'
import { Section } from '../../parts/section.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { sumOf } from '../../states/counts.ts'
import { numberIn } from '../../words/ids.ts'
import { plural } from '../../words/numbers.ts'
import { type Filter, hrefOf, isLabel, queryOf, useFilter, workflowStates } from './filter.ts'
import { workflowColumns } from './workflowColumns.tsx'

/** All workflows, newest first; what is filtered by stands in the address. */
const WorkflowsPage = () => {
  const [filter, change] = useFilter()
  const { workflows, more, isRead } = useWorkflows(filter)
  const mayChange = useMayChange()
  const picked = usePicked(workflows, { targetOf: (workflow) => workflow, mayPick: mayChange, noun: 'workflow' })
  useEffect(() => {
    document.title = 'Workflows · Culm'
  }, [])
  const picks = (columns: Column<Workflow>[]) => withPicks(columns, picked.column, workflows.some(mayChange))
  const names = [...new Set(workflows.flatMap(({ labels }) => Object.keys(labels)))].sort()
  return (
    <>
      <div className="section-head">
        <h1>Workflows</h1>
        <div className="tools">
          {picked.tools}
          <Filters filter={filter} change={change} names={names} />
        </div>
      </div>
      <Chips filter={filter} change={change} />
      {workflows.length > 0 && <Groups workflows={workflows} filter={filter} picks={picks} />}
      {isRead && workflows.length === 0 && <None isFiltered={hrefOf(filter) !== '/workflows'} />}
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

/** One table, or one for each value of the label by which it is grouped. */
const Groups = ({
  workflows,
  filter,
  picks,
}: {
  workflows: Workflow[]
  filter: Filter
  picks: (columns: Column<Workflow>[]) => Column<Workflow>[]
}) => {
  const address = hrefOf(filter)
  const hasLabels = workflows.some(({ labels }) => Object.keys(labels).length > 0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter has another address
  const described = useMemo(() => (hasLabels ? withLabels(filter) : workflowColumns), [hasLabels, address])
  const columns = picks(described)
  const { group } = filter
  if (!group) return <Table label="Workflows" rows={workflows} columns={columns} keyOf={({ id }) => id} />
  const byValue = new Map<string | undefined, Workflow[]>()
  for (const workflow of workflows) {
    const value = workflow.labels[group]
    byValue.set(value, [...(byValue.get(value) ?? []), workflow])
  }
  return [...byValue].map(([value, rows]) => (
    <Section
      key={value ?? ''}
      title={value === undefined ? `no ${group}` : `${group}=${value}`}
      aside={<Sum workflows={rows} />}
    >
      <Table label={value ?? `no ${group}`} rows={rows} columns={columns} keyOf={({ id }) => id} />
    </Section>
  ))
}

const Sum = ({ workflows }: { workflows: Workflow[] }) => (
  <span className="soft">
    {plural(workflows.length, 'workflow')}, <Tally counts={sumOf(workflows.map(({ jobs }) => jobs))} />
  </span>
)

/** Labels take their room from columns that can spare it. */
const withLabels = (filter: Filter) => {
  const narrower: Record<string, string> = { owner: '6rem', progress: '8rem' }
  const columns = workflowColumns.map((column) => ({ ...column, width: narrower[column.id] ?? column.width }))
  return [...columns.slice(0, 3), labelsColumn(filter), ...columns.slice(3)]
}

/** Pressed, a label is one more that all must have. */
const labelsColumn = (filter: Filter): Column<Workflow> => ({
  id: 'labels',
  title: 'Labels',
  cell: ({ labels }) => (
    <span className="cut">
      <Labels
        labels={labels}
        hrefOf={(label) => hrefOf({ ...filter, label: [...new Set([...filter.label, label])] })}
      />
    </span>
  ),
  isWide: true,
})

type FilterProps = { filter: Filter; change: (more: Partial<Filter>) => void }

const Filters = ({ filter, change, names }: FilterProps & { names: string[] }) => (
  <div className="tools">
    <select
      aria-label="State"
      value={filter.state.length > 1 ? 'several' : (filter.state[0] ?? '')}
      onChange={({ target }) => change({ state: workflowStates.filter((state) => state === target.value) })}
    >
      <option value="">any state</option>
      {filter.state.length > 1 && <option value="several">{filter.state.join(', ')}</option>}
      {workflowStates.map((state) => (
        <option key={state}>{state}</option>
      ))}
    </select>
    {(['text', 'owner', 'program'] as const).map((name) => (
      <Word key={name} name={inWords[name]} value={filter[name] ?? ''} set={(word) => change({ [name]: word })} />
    ))}
    <Word
      key={filter.label.length}
      name="label=value"
      value=""
      set={(word) => isLabel(word) && change({ label: [...filter.label, word] })}
    />
    <select
      aria-label="Group by label"
      style={{ width: '9rem' }}
      value={filter.group ?? ''}
      onChange={({ target }) => change({ group: target.value || undefined })}
    >
      <option value="">not grouped</option>
      {[...new Set([...names, ...(filter.group ? [filter.group] : [])])].map((name) => (
        <option key={name} value={name}>
          by {name}
        </option>
      ))}
    </select>
  </div>
)

const inWords = { text: 'name', owner: 'user', program: 'program' }

/** A field whose word holds once it is left. */
const Word = ({ name, value, set }: { name: string; value: string; set: (word: string) => void }) => (
  <input
    key={value}
    type="search"
    aria-label={name}
    placeholder={name}
    size={9}
    defaultValue={value}
    onKeyDown={(event) => event.key === 'Enter' && set(event.currentTarget.value.trim())}
    onBlur={({ target }) => target.value.trim() !== value && set(target.value.trim())}
  />
)

/** What else it is filtered by; pressed, no longer. */
const Chips = ({ filter, change }: FilterProps) => {
  const chips = [
    ...filter.label.map((label) => ({
      words: label,
      drop: () => change({ label: filter.label.filter((one) => one !== label) }),
    })),
    ...(['since', 'until'] as const)
      .filter((end) => filter[end])
      .map((end) => ({ words: `${end} ${filter[end]}`, drop: () => change({ [end]: undefined }) })),
  ]
  if (chips.length === 0) return null
  return (
    <div className="chips">
      {chips.map(({ words, drop }) => (
        <button key={words} type="button" className="label" onClick={drop} aria-label={`No longer ${words}`}>
          {words} <span aria-hidden="true">×</span>
        </button>
      ))}
    </div>
  )
}

/** The newest page again and again; what was asked for beyond that stays as it came. */
const useWorkflows = (filter: Filter) => {
  const { data } = useQuery(recentWorkflowsQuery(queryOf(filter)))
  const [older, setOlder] = useState<{ for: string; items: Workflow[]; next: string | null }>()
  const key = JSON.stringify(queryOf(filter))
  const own = older?.for === key ? older : undefined
  const next = own ? own.next : data?.next
  const more = async () => {
    try {
      const page = await workflowsAfter(queryOf(filter), next!)
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
