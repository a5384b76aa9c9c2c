import type { Pilot } from '../../../../src/contract/pilots.ts'
import { State } from '../../parts/state.tsx'
import type { Column } from '../../parts/table.tsx'
import { QueueLink } from '../../parts/thing.tsx'
import { Ago, Lasted, When } from '../../parts/time.tsx'
import { numberIn } from '../../words/ids.ts'
import { Used } from './queueColumns.tsx'

/** A pilot in a line. */
export const pilotColumns: Column<Pilot>[] = [
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
    cell: ({ queue }) => <QueueLink name={queue} />,
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
