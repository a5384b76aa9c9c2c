import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { Link } from 'wouter'
import type { Trouble } from '../../../../src/contract/troubles.ts'
import { queuesQuery } from '../../api/queries.ts'
import { Sparkline } from '../../charts/sparkline.tsx'
import { Command, Lesson } from '../../parts/lesson.tsx'
import { Refused } from '../../parts/problem.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Ago } from '../../parts/time.tsx'
import { attemptCauses } from '../../states/causes.ts'
import { count, plural } from '../../words/numbers.ts'
import { troublesQuery } from './troublesQuery.ts'
import { type Filter, searchOf, useFilter } from './window.ts'
import { WindowChoice } from './windowChoice.tsx'

/** What goes wrong: failures by kind, the most frequent of a window first. */
const ErrorsPage = () => {
  const [filter, setFilter] = useFilter('/errors')
  const { data, error } = useQuery(troublesQuery(filter))
  const columns = useMemo(() => columnsOf(searchOf({ ...filter, cause: undefined, queue: undefined })), [filter])
  useEffect(() => {
    document.title = 'Errors · Culm'
  }, [])
  const attempts = data?.items.reduce((sum, trouble) => sum + trouble.attempts, 0) ?? 0
  return (
    <>
      <div className="section-head">
        <h1>Errors</h1>
        <Filters filter={filter} setFilter={setFilter} />
      </div>
      <Refused error={error} />
      {data && data.items.length > 0 && (
        <>
          <p className="soft counted">
            {plural(attempts, 'attempt')} failed in {plural(data.items.length, 'way')}
          </p>
          <Table label="Errors" rows={data.items} columns={columns} keyOf={({ id }) => id} />
        </>
      )}
      {data?.items.length === 0 && <None isFiltered={Boolean(filter.cause ?? filter.queue)} />}
    </>
  )
}
export default ErrorsPage

type FilterProps = { filter: Filter; setFilter: (change: Partial<Filter>) => void }

const Filters = ({ filter, setFilter }: FilterProps) => {
  const { data: queues } = useQuery({ ...queuesQuery, refetchInterval: 60_000 })
  const names = new Set([...(queues?.items.map(({ name }) => name) ?? []), ...(filter.queue ? [filter.queue] : [])])
  return (
    <div className="tools">
      <WindowChoice filter={filter} setFilter={setFilter} />
      <select
        aria-label="Cause"
        value={filter.cause ?? ''}
        onChange={(event) => setFilter({ cause: attemptCauses.find((cause) => cause === event.target.value) })}
      >
        <option value="">any cause</option>
        {attemptCauses.map((cause) => (
          <option key={cause}>{cause}</option>
        ))}
      </select>
      <select
        aria-label="Queue"
        value={filter.queue ?? ''}
        onChange={(event) => setFilter({ queue: event.target.value || undefined })}
      >
        <option value="">any queue</option>
        {[...names].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </div>
  )
}

const None = ({ isFiltered }: { isFiltered: boolean }) =>
  isFiltered ? (
    <p className="nothing">Nothing has failed like that.</p>
  ) : (
    <Lesson title="Nothing has failed">
      <p className="soft">
        Failures of all jobs come together here by what they have in common. Why one thing is as it is:
      </p>
      <Command>culm explain j12</Command>
    </Lesson>
  )

const columnsOf = (search: string): Column<Trouble>[] => [
  {
    id: 'cause',
    title: 'Cause',
    width: '8rem',
    narrow: '6.6rem',
    cell: ({ cause }) => <State state="failed" text={cause} />,
    sortBy: ({ cause }) => cause,
  },
  {
    id: 'text',
    title: 'Error',
    cell: ({ id, text }) => (
      <Link href={`/errors/${id}${search}`} title={text}>
        {text}
      </Link>
    ),
    sortBy: ({ text }) => text,
  },
  {
    id: 'course',
    title: 'When',
    width: '9rem',
    cell: ({ course, attempts }) => (
      <div className="bad">
        <Sparkline values={course} most={course.length} label={`${plural(attempts, 'attempt')} in this window`} />
      </div>
    ),
    isWide: true,
  },
  {
    id: 'attempts',
    title: 'Attempts',
    width: '6.5rem',
    narrow: '5rem',
    isRight: true,
    cell: ({ attempts }) => count(attempts),
    sortBy: ({ attempts }) => attempts,
  },
  {
    id: 'tasks',
    title: 'Tasks',
    width: '5rem',
    isRight: true,
    cell: ({ tasks }) => count(tasks),
    sortBy: ({ tasks }) => tasks,
    isWide: true,
  },
  {
    id: 'users',
    title: 'Users',
    width: '5rem',
    isRight: true,
    cell: ({ users }) => count(users),
    sortBy: ({ users }) => users,
    isWide: true,
  },
  {
    id: 'queues',
    title: 'Queues',
    width: '7rem',
    cell: ({ queues }) => <span title={queues.join(', ')}>{queues.join(', ')}</span>,
    sortBy: ({ queues }) => queues.join(),
    isWide: true,
  },
  {
    id: 'since',
    title: 'Since',
    width: '7rem',
    isRight: true,
    cell: ({ since }) => <Ago at={since} />,
    sortBy: ({ since }) => -Date.parse(since),
    isWide: true,
  },
  {
    id: 'last',
    title: 'Last',
    width: '7rem',
    narrow: '5.6rem',
    isRight: true,
    cell: ({ lastAt }) => <Ago at={lastAt} />,
    sortBy: ({ lastAt }) => -Date.parse(lastAt),
  },
]
