import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { pilotsQuery, queuesQuery } from '../../api/queries.ts'
import { Command } from '../../parts/lesson.tsx'
import { Section } from '../../parts/section.tsx'
import { Table } from '../../parts/table.tsx'
import { queueUsageQuery, usageColumns } from './ofLate.tsx'
import { pilotColumns } from './pilotColumns.tsx'
import { queueColumns } from './queueColumns.tsx'

/** Queues, and the pilots that serve them. */
const QueuesPage = () => {
  const { data: queues } = useQuery(queuesQuery)
  const { data: pilots } = useQuery(pilotsQuery)
  const { data: usage } = useQuery(queueUsageQuery)
  const columns = useMemo(() => [...queueColumns, ...usageColumns(usage)], [usage])
  useEffect(() => {
    document.title = 'Queues · Culm'
  }, [])
  if (!queues || !pilots) return null
  const here = pilots.items.filter(({ state }) => state !== 'gone')
  const gone = pilots.items.filter(({ state }) => state === 'gone')
  return (
    <>
      <h1>Queues and pilots</h1>
      <Section
        title="Queues"
        aside={<span className="wide soft small">how well they did: work of your experiment in the last 24 hours</span>}
      >
        <Table label="Queues" rows={queues.items} columns={columns} keyOf={({ name }) => name} />
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
