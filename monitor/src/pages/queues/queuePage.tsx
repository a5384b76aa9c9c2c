import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link } from 'wouter'
import type { Pilot, Queue } from '../../../../src/contract/pilots.ts'
import type { Trouble } from '../../../../src/contract/troubles.ts'
import type { UsageGroup } from '../../../../src/contract/usage.ts'
import { pageSize, pilotsQuery, queuesQuery } from '../../api/queries.ts'
import { Heading } from '../../parts/heading.tsx'
import { Bar } from '../../parts/jobsBar.tsx'
import { Command } from '../../parts/lesson.tsx'
import { Refused } from '../../parts/problem.tsx'
import { Section } from '../../parts/section.tsx'
import { State } from '../../parts/state.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { TroubleLine } from '../../parts/troubleLine.tsx'
import type { AttemptCause } from '../../states/causes.ts'
import { hours } from '../../words/durations.ts'
import { count, percent, plural } from '../../words/numbers.ts'
import { troublesQuery } from '../errors/troublesQuery.ts'
import { searchOf } from '../errors/window.ts'
import { efficiency, endedWell, lateHours, queueUsageQuery, shareText, usageOf } from './ofLate.tsx'
import { pilotColumns } from './pilotColumns.tsx'
import { Used } from './queueColumns.tsx'

/** One queue: how it is, how well it did of late, what fails in it, and which pilots serve it. */
const QueuePage = ({ name }: { name: string }) => {
  const { data: queues, error } = useQuery(queuesQuery)
  useEffect(() => {
    document.title = `${name} · Queues`
  }, [name])
  if (!queues) return <Refused error={error} />
  const queue = queues.items.find((one) => one.name === name)
  return queue ? <Known queue={queue} /> : <Unknown name={name} />
}
export default QueuePage

const Unknown = ({ name }: { name: string }) => (
  <>
    <h1>No such queue</h1>
    <div className="lesson">
      <p className="soft">None is named {name}. An operator makes one:</p>
      <Command>{`culm queue add ${name}`}</Command>
      <p>
        <Link href="/queues">All queues</Link>
      </p>
    </div>
  </>
)

const Known = ({ queue }: { queue: Queue }) => {
  const { name } = queue
  const usage = useQuery(queueUsageQuery)
  const troubles = useQuery(troublesQuery({ hours: lateHours, queue: name }))
  const pilots = useQuery(pilotsQuery)
  return (
    <>
      <QueueHeading queue={queue} />
      <Refused error={usage.error ?? troubles.error ?? pilots.error} />
      {usage.data && troubles.data && pilots.data && (
        <>
          <Lately queue={name} usage={usageOf(usage.data, name)} />
          <Failures queue={name} troubles={troubles.data.items} />
          <Pilots queue={name} pilots={pilots.data.items} isAll={!pilots.data.next} />
        </>
      )}
    </>
  )
}

const QueueHeading = ({ queue: { name, site, state, running, slots, waiting } }: { queue: Queue }) => (
  <>
    <Heading
      name={name}
      above={
        <nav className="crumbs" aria-label="It belongs to">
          <Link href="/queues">Queues</Link>
        </nav>
      }
    >
      <State state={state} />
      <span>at {site}</span>
      <span className="num">
        {count(Math.min(running, slots))} of {plural(slots, 'slot')} in use
      </span>
      <span className="num">
        {plural(waiting, 'job')}
        {waiting < 1000 ? '' : ' or more'} waiting
      </span>
    </Heading>
    <Used used={running} slots={slots} />
  </>
)

const Lately = ({ queue, usage }: { queue: string; usage: UsageGroup | undefined | null }) => (
  <Section title="The last 24 hours" aside={<span className="soft small">work of your experiment</span>}>
    {usage ? (
      <Numbers usage={usage} />
    ) : usage === null ? (
      <p className="nothing">
        It is not among the {pageSize} queues with most wall time; <Link href="/reports?by=queue">reports</Link> have a
        file with all of them.
      </p>
    ) : (
      <div className="lesson">
        <p className="soft">Nothing has ended here. A command for this queue:</p>
        <Command>{`culm submit --queue ${queue} -- echo hello`}</Command>
      </div>
    )}
  </Section>
)

const Numbers = ({ usage }: { usage: UsageGroup }) => (
  <ul className="vitals">
    {[
      { value: count(usage.attempts), what: 'attempts' },
      { value: count(usage.finished), what: 'jobs finished' },
      { value: count(usage.failed), what: 'jobs failed' },
      { value: shareText(endedWell(usage)), what: 'ended well' },
      { value: shareText(efficiency(usage)), what: 'efficiency (CPU / wall)' },
      { value: hours(usage.wallSeconds), what: 'wall time' },
    ].map(({ value, what }) => (
      <li key={what} className="vital">
        <b>{value}</b>
        <span>{what}</span>
      </li>
    ))}
  </ul>
)

/** So many errors are named; the page of errors has all. */
const mostNamed = 5

const Failures = ({ queue, troubles }: { queue: string; troubles: Trouble[] }) => {
  if (troubles.length === 0)
    return (
      <Section title="Failures by cause">
        <p className="nothing">No attempt has failed here in the last 24 hours.</p>
      </Section>
    )
  return (
    <>
      <Section
        title="Failures by cause"
        aside={
          troubles.length === pageSize && <span className="soft small">of the {pageSize} most frequent errors</span>
        }
      >
        <Table
          label="Failures by cause"
          rows={byCause(troubles, queue)}
          columns={causeColumns}
          keyOf={({ cause }) => cause}
        />
      </Section>
      <MostFrequent queue={queue} troubles={troubles.slice(0, mostNamed)} />
    </>
  )
}

const MostFrequent = ({ queue, troubles }: { queue: string; troubles: Trouble[] }) => (
  <Section
    title="Most frequent errors"
    aside={<Link href={`/errors${searchOf({ hours: lateHours, queue })}`}>All errors here</Link>}
  >
    <ul className="worries">
      {troubles.map((trouble) => (
        <TroubleLine key={trouble.id} trouble={trouble} />
      ))}
    </ul>
  </Section>
)

type OfCause = { cause: AttemptCause; attempts: number; all: number; queue: string }

/** What failed there for each cause, the most frequent first. */
const byCause = (troubles: Trouble[], queue: string): OfCause[] => {
  const sums = new Map<AttemptCause, number>()
  for (const { cause, attempts } of troubles) sums.set(cause, (sums.get(cause) ?? 0) + attempts)
  const all = troubles.reduce((sum, { attempts }) => sum + attempts, 0)
  return [...sums].map(([cause, attempts]) => ({ cause, attempts, all, queue })).sort((a, b) => b.attempts - a.attempts)
}

const causeColumns: Column<OfCause>[] = [
  {
    id: 'cause',
    title: 'Cause',
    width: '9rem',
    narrow: '8rem',
    cell: ({ cause, queue }) => (
      <Link href={`/errors${searchOf({ hours: lateHours, cause, queue })}`} className="thing">
        <State state="failed" text={cause} />
      </Link>
    ),
    sortBy: ({ cause }) => cause,
  },
  {
    id: 'share',
    title: 'Share',
    cell: ({ attempts, all }) => (
      <Bar
        words={`${percent(attempts, all)} % of ${plural(all, 'failed attempt')}`}
        parts={[
          { state: 'of this cause', n: attempts, kind: 'bad' as const },
          { state: 'of others', n: all - attempts, kind: 'free' as const },
        ].filter(({ n }) => n > 0)}
      />
    ),
  },
  {
    id: 'attempts',
    title: 'Attempts',
    width: '7rem',
    narrow: '5rem',
    isRight: true,
    cell: ({ attempts }) => count(attempts),
    sortBy: ({ attempts }) => attempts,
  },
]

const columnsOfPilots = pilotColumns.filter(({ id }) => id !== 'queue')

const Pilots = ({ queue, pilots, isAll }: { queue: string; pilots: Pilot[]; isAll: boolean }) => {
  const its = pilots.filter((pilot) => pilot.queue === queue && pilot.state !== 'gone')
  return (
    <Section title="Pilots" aside={!isAll && <span className="soft small">of the {pageSize} that came last</span>}>
      {its.length > 0 ? (
        <Table label="Pilots" rows={its} columns={columnsOfPilots} keyOf={({ id }) => id} />
      ) : (
        <div className="lesson">
          <p className="soft">
            No pilot serves it{isAll ? ', so nothing runs' : ''}. An operator makes a token for one:
          </p>
          <Command>{`culm queue token ${queue}`}</Command>
          <p className="soft">With it, a pilot is started at the site:</p>
          <Command>culm pilot --help</Command>
        </div>
      )}
    </Section>
  )
}
