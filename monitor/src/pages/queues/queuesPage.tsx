import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { Pilot } from '../../../../src/contract/pilots.ts'
import { pilotsQuery, queuesQuery } from '../../api/queries.ts'
import { Command } from '../../parts/lesson.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Ago, Lasted, When } from '../../parts/time.tsx'
import { numberIn } from '../../words/ids.ts'
import { queueColumns, Used } from './queueColumns.tsx'

/** Queues, and the pilots that serve them. */
const QueuesPage = () => {
  const { data: queues } = useQuery(queuesQuery)
  const { data: pilots } = useQuery(pilotsQuery)
  useEffect(() => {
    document.title = 'Queues · Culm'
  }, [])
  if (!queues || !pilots) return null
  const here = pilots.items.filter(({ state }) => state !== 'gone')
  const gone = pilots.items.filter(({ state }) => state === 'gone')
  return (
    <>
      <h1>Queues and pilots</h1>
      <Section title="Queues">
        <Table label="Queues" rows={queues.items} columns={queueColumns} keyOf={({ name }) => name} />
      </Section>
      <Section title="Pilots">
        {here.length > 0 ? (
          <Table label="Pilots" rows={here} columns={pilotColumns} keyOf={({ id }) => id} />
        ) : (
          <NoPilots />
        )}
      </Section>
      {gone.length > 0 && (
        <Section title="Pilots that have gone" aside={pilots.next && <span className="soft small">the last seen</span>}>
          <Table label="Pilots that have gone" rows={gone} columns={pilotColumns} keyOf={({ id }) => id} />
        </Section>
      )}
    </>
  )
}
export default QueuesPage

const NoPilots = () => (
  <div className="lesson">
    <p className="soft">No pilot is there, so nothing runs. On this machine one comes with:</p>
    <Command>npm start</Command>
    <p className="soft">For pilots elsewhere, an operator makes a token for their queue:</p>
    <Command>culm pilot --help</Command>
  </div>
)

const pilotColumns: Column<Pilot>[] = [
  {
    id: 'state',
    title: 'State',
    width: '8rem',
    isMark: true,
    cell: ({ state }) => <State state={state} />,
    sortBy: (p) => p.state,
  },
  {
    id: 'name',
    title: 'Pilot',
    cell: ({ id, name }) => (
      <>
        {id} <span className="soft">{name}</span>
      </>
    ),
    sortBy: ({ id }) => numberIn(id),
  },
  { id: 'host', title: 'Host', cell: ({ host }) => host, sortBy: ({ host }) => host, isWide: true },
  {
    id: 'queue',
    title: 'Queue',
    width: '9rem',
    cell: ({ queue }) => queue,
    sortBy: ({ queue }) => queue,
    isWide: true,
  },
  {
    id: 'used',
    title: 'In use',
    width: '16%',
    cell: (pilot) => <Used used={pilot.jobs} slots={pilot.slots} />,
    isWide: true,
  },
  {
    id: 'jobs',
    title: 'Jobs',
    width: '6rem',
    isRight: true,
    cell: (p) => `${p.jobs}/${p.slots}`,
    sortBy: (p) => p.jobs,
  },
  {
    id: 'seen',
    title: 'Last seen',
    width: '7rem',
    narrow: '6rem',
    isRight: true,
    cell: ({ seenAt }) => <Ago at={seenAt} />,
  },
  {
    id: 'since',
    title: 'Up for',
    width: '6rem',
    isRight: true,
    cell: ({ startedAt, seenAt, state }) => (
      <When at={startedAt}>
        <Lasted from={startedAt} to={state === 'gone' ? seenAt : null} />
      </When>
    ),
    isWide: true,
  },
]
