import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import type { JobEntry } from '../../../../src/contract/jobs.ts'
import type { Task } from '../../../../src/contract/tasks.ts'
import { ask, askOn } from '../../api/ask.ts'
import { useMayChange } from '../../parts/actions/actions.tsx'
import { usePicked, withPicks } from '../../parts/actions/picked.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Thing } from '../../parts/thing.tsx'
import { Lasted, When } from '../../parts/time.tsx'
import { type AttemptCause, attemptCauses } from '../../states/causes.ts'
import { hasEnded, partsOf } from '../../states/counts.ts'
import { duration } from '../../words/durations.ts'
import { count, plural } from '../../words/numbers.ts'
import { cellText, cellWords, pathsIn, plainOf } from './paths.ts'

type JobState = JobEntry['state']
type Cells = Record<string, unknown>
type Line = JobEntry & { given: Cells; gave: Cells }
type Filter = { state?: JobState; cause?: AttemptCause }

const rowsPerPage = 50

/** So many columns of arguments and of results at most. */
const mostColumns = 8

/** The jobs of a task with what they were given and gave back, a page at a time; what is filtered by stands in the address. */
export const JobsView = ({ task }: { task: Task }) => {
  const [filter, setFilter] = useFilter(task, () => setStarts([undefined]))
  const [starts, setStarts] = useState<(string | undefined)[]>([undefined])
  const after = starts.at(-1)
  const { data } = useQuery({
    queryKey: ['jobs', task.id, filter, after],
    queryFn: ({ signal }) =>
      askOn(rowsPerPage, (from = after) =>
        ask('GET /v1/tasks/:id/jobs', {
          params: { id: task.id },
          query: { ...filter, after: from, limit: rowsPerPage, with: 'args,value' },
          signal,
        }),
      ),
    refetchInterval: hasEnded(task.state) ? 20_000 : 1500,
    placeholderData: (earlier) => earlier,
  })
  const lines = useMemo(() => data?.items.map(lineOf) ?? [], [data])
  const paths = JSON.stringify([pathsIn(lines.map(({ given }) => given)), pathsIn(lines.map(({ gave }) => gave))])
  const columns = useMemo(() => columnsOf(JSON.parse(paths)), [paths])
  const mayChange = useMayChange()
  const mayPick = () => mayChange({ owner: task.owner })
  const picked = usePicked(lines, { targetOf: (job) => job, mayPick, noun: 'job' })
  if (!data) return null
  return (
    <Section
      title="Jobs of this task"
      aside={
        <div className="tools">
          {picked.tools}
          <Filters task={task} filter={filter} setFilter={setFilter} />
        </div>
      }
    >
      {lines.length > 0 ? (
        <Table
          label="Jobs"
          rows={lines}
          columns={withPicks(columns, picked.column, mayPick())}
          keyOf={({ id }) => id}
        />
      ) : (
        <p className="nothing">{filter.state || filter.cause ? 'No job is like that.' : 'No jobs yet.'}</p>
      )}
      {(starts.length > 1 || data.next) && (
        <div className="more">
          <button type="button" disabled={starts.length === 1} onClick={() => setStarts(starts.slice(0, -1))}>
            Earlier
          </button>
          <button type="button" disabled={!data.next} onClick={() => setStarts([...starts, data.next!])}>
            Later
          </button>
        </div>
      )}
    </Section>
  )
}

const lineOf = (job: JobEntry): Line => ({
  ...job,
  given: plainOf(job.args, 'arguments'),
  gave: plainOf(job.value, 'value'),
})

const useFilter = (task: Task, changed: () => void) => {
  const [, go] = useLocation()
  const search = new URLSearchParams(useSearch())
  const states = partsOf(task.counts).map(({ state }) => state)
  const filter: Filter = {
    state: states.find((state) => state === search.get('state')),
    cause: attemptCauses.find((cause) => cause === search.get('cause')),
  }
  const setFilter = (change: Filter) => {
    const words = Object.entries({ ...filter, ...change }).filter(([, word]) => word) as [string, string][]
    const text = new URLSearchParams(words).toString()
    changed()
    go(text ? `/${task.id}?${text}` : `/${task.id}`, { replace: true })
  }
  return [filter, setFilter] as const
}

type FilterProps = { task: Task; filter: Filter; setFilter: (change: Filter) => void }

const Filters = ({ task: { counts }, filter, setFilter }: FilterProps) => (
  <div className="tools small soft">
    <label>
      State{' '}
      <select
        value={filter.state ?? ''}
        onChange={(event) => setFilter({ state: (event.target.value || undefined) as JobState | undefined })}
      >
        <option value="">all</option>
        {partsOf(counts).map(({ state, n }) => (
          <option key={state} value={state}>
            {state} ({count(n)})
          </option>
        ))}
      </select>
    </label>
    {(counts.failed ?? 0) > 0 && (
      <label>
        Cause{' '}
        <select
          value={filter.cause ?? ''}
          onChange={(event) => setFilter({ cause: attemptCauses.find((cause) => cause === event.target.value) })}
        >
          <option value="">any</option>
          {attemptCauses.map((cause) => (
            <option key={cause}>{cause}</option>
          ))}
        </select>
      </label>
    )}
  </div>
)

const holds: Record<string, string> = {
  timer: 'waits before it is tried again',
  pause: 'paused',
  limit: 'held by a limit',
}

const reasonOf = ({ unmet, heldBy, cause, errorLine }: Line) => {
  if (errorLine) return errorLine
  if (unmet > 0) return `waits for ${plural(unmet, 'other')}`
  return (heldBy && holds[heldBy]) ?? cause ?? ''
}

const columnsOf = ([given, gave]: [string[], string[]]): Column<Line>[] => [
  {
    id: 'index',
    title: '#',
    width: '4.5rem',
    narrow: '2.8rem',
    cell: ({ index }) => index,
    sortBy: ({ index }) => index,
  },
  { id: 'job', title: 'Job', width: '6.5rem', narrow: '5rem', cell: ({ id }) => <Thing id={id} /> },
  {
    id: 'state',
    title: 'State',
    width: '8.5rem',
    isMark: true,
    cell: ({ state }) => <State state={state} noun="job" />,
    sortBy: ({ state }) => state,
  },
  ...given.slice(0, mostColumns).map((path) => cellColumn('given', path, true)),
  ...gave.slice(0, mostColumns).map((path, i) => cellColumn('gave', path, i > 0)),
  {
    id: 'reason',
    title: 'Reason',
    cell: (line) => (
      <span className="soft" title={reasonOf(line)}>
        {reasonOf(line)}
      </span>
    ),
    sortBy: reasonOf,
  },
  {
    id: 'attempt',
    title: 'Try',
    width: '4rem',
    isRight: true,
    cell: (j) => j.attempt || '',
    sortBy: (j) => j.attempt,
    isWide: true,
  },
  {
    id: 'host',
    title: 'Host',
    width: '7rem',
    cell: ({ host }) => host,
    sortBy: ({ host }) => host ?? '',
    isWide: true,
  },
  {
    id: 'ran',
    title: 'Ran',
    width: '5.5rem',
    isRight: true,
    cell: (line) => <Ran line={line} />,
    sortBy: ({ usage }) => usage?.wallSeconds ?? -1,
    isWide: true,
  },
  {
    id: 'memory',
    title: 'Memory',
    width: '6rem',
    isRight: true,
    cell: ({ usage }) => usage?.maxRssMb !== undefined && `${Math.ceil(usage.maxRssMb)} MB`,
    sortBy: ({ usage }) => usage?.maxRssMb ?? -1,
    isWide: true,
  },
]

const Ran = ({ line: { usage, sentAt, startedAt, endedAt } }: { line: Line }) => {
  const from = startedAt ?? sentAt
  if (!from) return null
  return (
    <When at={from}>
      {usage?.wallSeconds === undefined ? <Lasted from={from} to={endedAt} /> : duration(usage.wallSeconds * 1000)}
    </When>
  )
}

const cellColumn = (side: 'given' | 'gave', path: string, isWide: boolean): Column<Line> => ({
  id: `${side} ${path}`,
  title: path,
  cell: (line) => (
    <span className="mono" title={cellText(line[side][path])}>
      {cellWords(line[side][path])}
    </span>
  ),
  sortBy: (line) => {
    const cell = line[side][path]
    return typeof cell === 'number' ? cell : cellText(cell)
  },
  isWide,
})
