import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link } from 'wouter'
import type { TroubleView } from '../../../../src/contract/troubles.ts'
import { ask } from '../../api/ask.ts'
import { Bars } from '../../charts/bars.tsx'
import { Heading } from '../../parts/heading.tsx'
import { Refused } from '../../parts/problem.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Thing } from '../../parts/thing.tsx'
import { Ago } from '../../parts/time.tsx'
import { count, plural } from '../../words/numbers.ts'
import { type Filter, fromOf, searchOf, useFilter } from './window.ts'
import { WindowChoice } from './windowChoice.tsx'

type TroubleId = TroubleView['id']

/** One kind of failure: when, where, whose, and its jobs. */
const TroublePage = ({ id }: { id: TroubleId }) => {
  const [filter, setFilter] = useFilter(`/errors/${id}`)
  const { data: trouble, error } = useQuery({
    queryKey: ['trouble', id, filter.hours],
    queryFn: ({ signal }) =>
      ask('GET /v1/troubles/:id', { params: { id }, query: { from: fromOf(filter.hours) }, signal }),
    refetchInterval: 5000,
    placeholderData: (earlier) => earlier,
  })
  useEffect(() => {
    document.title = trouble ? `${trouble.text.slice(0, 60)} · Errors` : 'Errors · Culm'
  }, [trouble])
  if (!trouble) return <Refused error={error} />
  return (
    <>
      <Heading name={trouble.text} above={<Crumbs id={id} filter={filter} />}>
        <State state="failed" text={trouble.cause} />
        <span>{plural(trouble.total, 'attempt')}</span>
        <span>{plural(trouble.tasks, 'task')}</span>
        <span>{trouble.users === 1 ? trouble.people[0]?.name : plural(trouble.users, 'user')}</span>
        <span>
          since <Ago at={trouble.since} />
        </span>
        <span>
          last <Ago at={trouble.lastAt} />
        </span>
      </Heading>
      <p className="soft mono">{trouble.fingerprint}</p>
      <Section title="When" aside={<WindowChoice filter={filter} setFilter={setFilter} />}>
        <Bars
          label={`${plural(trouble.attempts, 'attempt')} in this window`}
          bars={barsOf(trouble)}
          from={hourText(trouble.from)}
          to="now"
          kind="bad"
        />
      </Section>
      <div className="beside">
        <Section title="Queues, in this window">
          <Table label="Queues" rows={trouble.byQueue} columns={queueColumns} keyOf={({ queue }) => queue} />
        </Section>
        <Section title="Hosts, ever">
          <Table
            label="Hosts"
            rows={trouble.hosts}
            columns={hostColumns}
            keyOf={({ queue, host }) => `${queue} ${host}`}
          />
        </Section>
      </div>
      {trouble.users > 1 && (
        <Section title="Users, ever">
          <ul className="facts">
            {trouble.people.map(({ name, attempts }) => (
              <li key={name}>
                <b>{count(attempts)}</b> {name}
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title="Its jobs, the newest">
        <Table label="Jobs" rows={trouble.jobs} columns={jobColumns} keyOf={(job) => job.id} />
      </Section>
    </>
  )
}
export default TroublePage

const Crumbs = ({ id, filter }: { id: TroubleId; filter: Filter }) => (
  <nav className="crumbs" aria-label="It belongs to">
    <Link href={`/errors${searchOf(filter)}`}>Errors</Link>
    <span>{id}</span>
  </nav>
)

const hourText = (at: string | number) =>
  new Date(at).toLocaleString(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })

const barsOf = ({ from, stepSeconds, course }: TroubleView) =>
  course.map((n, i) => ({ n, title: hourText(Date.parse(from) + i * stepSeconds * 1000) }))

const queueColumns: Column<TroubleView['byQueue'][number]>[] = [
  { id: 'queue', title: 'Queue', cell: ({ queue }) => queue, sortBy: ({ queue }) => queue },
  {
    id: 'attempts',
    title: 'Attempts',
    width: '7rem',
    isRight: true,
    cell: ({ attempts }) => count(attempts),
    sortBy: ({ attempts }) => attempts,
  },
]

const hostColumns: Column<TroubleView['hosts'][number]>[] = [
  { id: 'host', title: 'Host', cell: ({ host }) => host, sortBy: ({ host }) => host },
  { id: 'queue', title: 'Queue', width: '9rem', cell: ({ queue }) => queue, isWide: true },
  {
    id: 'attempts',
    title: 'Attempts',
    width: '7rem',
    isRight: true,
    cell: ({ attempts }) => count(attempts),
    sortBy: ({ attempts }) => attempts,
  },
  { id: 'last', title: 'Last', width: '7rem', isRight: true, cell: ({ lastAt }) => <Ago at={lastAt} />, isWide: true },
]

const jobColumns: Column<TroubleView['jobs'][number]>[] = [
  { id: 'job', title: 'Job', width: '7rem', cell: ({ id }) => <Thing id={id} /> },
  { id: 'state', title: 'Now', width: '8rem', cell: ({ state }) => <State state={state} noun="job" />, isWide: true },
  {
    id: 'task',
    title: 'Task',
    width: '12rem',
    cell: ({ taskId, taskName }) => <Thing id={taskId}>{taskName}</Thing>,
    isWide: true,
  },
  { id: 'owner', title: 'User', width: '8rem', cell: ({ owner }) => owner, sortBy: ({ owner }) => owner, isWide: true },
  { id: 'host', title: 'Host', width: '9rem', cell: ({ host }) => host, isWide: true },
  { id: 'error', title: 'Error', cell: ({ error }) => <span title={error ?? ''}>{error}</span> },
  { id: 'at', title: 'When', width: '7rem', isRight: true, cell: ({ at }) => <Ago at={at} /> },
]
