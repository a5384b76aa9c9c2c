import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { JobLine } from '../../../../src/contract/jobs.ts'
import type { Task } from '../../../../src/contract/tasks.ts'
import { ask } from '../../api/ask.ts'
import { type JobId, pageSize } from '../../api/queries.ts'
import { type Point, pointOf } from '../../live/outcomes.ts'
import { useMayChange } from '../../parts/actions/actions.tsx'
import { usePicked, withPicks } from '../../parts/actions/picked.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Thing } from '../../parts/thing.tsx'
import { hasEnded, partsOf } from '../../states/counts.ts'
import { count, plural } from '../../words/numbers.ts'

type JobState = NonNullable<JobLine['state']>
type Line = JobLine & { outcome: Point | undefined }

const rowsPerPage = 50

/** The jobs of a task with their values, a page at a time, of one state or all. */
export const JobsView = ({ task }: { task: Task }) => {
  const [state, setState] = useState<JobState>()
  const [starts, setStarts] = useState<(string | undefined)[]>([undefined])
  const after = starts.at(-1)
  const { data } = useQuery({
    queryKey: ['jobs', task.id, state, after],
    queryFn: ({ signal }) =>
      ask('GET /v1/tasks/:id/jobs', { params: { id: task.id }, query: { state, after, limit: rowsPerPage }, signal }),
    refetchInterval: hasEnded(task.state) ? 20_000 : 1500,
    placeholderData: (earlier) => earlier,
  })
  const outcomes = useOutcomesOf(task, data?.items, after, state !== undefined)
  const choose = (next: JobState | undefined) => {
    setState(next)
    setStarts([undefined])
  }
  const mayChange = useMayChange()
  const mayPick = () => mayChange({ owner: task.owner })
  const picked = usePicked(data?.items ?? [], { targetOf: (job) => job, mayPick, noun: 'job' })
  if (!data) return null
  const lines = data.items.map((job) => ({ ...job, outcome: outcomes?.get(job.id) }))
  return (
    <Section
      title="Jobs of this task"
      aside={
        <div className="tools">
          {picked.tools}
          <StateFilter task={task} state={state} choose={choose} />
        </div>
      }
    >
      {lines.length > 0 ? (
        <Table
          label="Jobs"
          rows={lines}
          columns={withPicks(columns, picked.column as Column<Line>, mayPick())}
          keyOf={({ id }) => id}
        />
      ) : (
        <p className="nothing">{state ? `No job is ${state}.` : 'No jobs yet.'}</p>
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

/** Values may be large: they are read once for those that have ended, and not at every look. */
const useOutcomesOf = (task: Task, jobs: JobLine[] | undefined, after: string | undefined, isFiltered: boolean) => {
  const ended = jobs?.filter(({ state }) => hasEnded(state)).map(({ id, attempt }) => `${id} ${attempt}`) ?? []
  const { data } = useQuery({
    queryKey: ['outcomes of', task.id, after, isFiltered, ended.join()],
    queryFn: async ({ signal }) => {
      const query = { after, limit: isFiltered ? pageSize : rowsPerPage }
      const { items } = await ask('GET /v1/tasks/:id/outcomes', { params: { id: task.id }, query, signal })
      return new Map<JobId, Point>(items.map((outcome) => [outcome.jobId, pointOf(outcome)]))
    },
    enabled: ended.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (earlier) => earlier,
  })
  return data
}

type FilterProps = { task: Task; state: JobState | undefined; choose: (state: JobState | undefined) => void }

const StateFilter = ({ task: { counts }, state, choose }: FilterProps) => {
  const states = new Set([...partsOf(counts).map((part) => part.state), ...(state ? [state] : [])])
  return (
    <label className="tools small soft">
      State
      <select
        value={state ?? ''}
        onChange={(event) => choose((event.target.value || undefined) as JobState | undefined)}
      >
        <option value="">all</option>
        {[...states].map((one) => (
          <option key={one} value={one}>
            {one} ({count(counts[one] ?? 0)})
          </option>
        ))}
      </select>
    </label>
  )
}

const holds: Record<string, string> = {
  timer: 'waits before it is tried again',
  pause: 'paused',
  limit: 'held by a limit',
}

const saysOf = ({ state, unmet, heldBy, cause, outcome }: Line) => {
  if (outcome && hasEnded(state)) return outcome.says
  if (unmet > 0) return `waits for ${plural(unmet, 'other')}`
  return (heldBy && holds[heldBy]) ?? cause ?? ''
}

const columns: Column<Line>[] = [
  { id: 'index', title: '#', width: '4.5rem', cell: ({ index }) => index, sortBy: ({ index }) => index },
  { id: 'job', title: 'Job', width: '6.5rem', cell: ({ id }) => <Thing id={id} /> },
  {
    id: 'state',
    title: 'State',
    width: '8.5rem',
    cell: ({ state }) => <State state={state} noun="job" />,
    sortBy: ({ state }) => state,
  },
  {
    id: 'attempt',
    title: 'Attempt',
    width: '6rem',
    cell: (j) => j.attempt || '',
    sortBy: (j) => j.attempt,
    isWide: true,
  },
  {
    id: 'says',
    title: 'Value or reason',
    cell: (line) => (
      <span className={line.outcome && !line.outcome.errorType ? 'mono' : 'soft'} title={saysOf(line)}>
        {saysOf(line)}
      </span>
    ),
    sortBy: (line) => line.outcome?.numbers.loss ?? line.outcome?.numbers.value ?? saysOf(line),
  },
]
