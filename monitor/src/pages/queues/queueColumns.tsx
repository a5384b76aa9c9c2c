import type { Queue } from '../../../../src/contract/pilots.ts'
import { Bar } from '../../parts/jobsBar.tsx'
import { State } from '../../parts/state.tsx'
import type { Column } from '../../parts/table.tsx'
import { QueueLink } from '../../parts/thing.tsx'
import { count, percent } from '../../words/numbers.ts'

const inUse = (used: number, slots: number) => [
  { state: 'running', n: used, kind: 'busy' as const },
  { state: 'free', n: Math.max(0, slots - used), kind: 'free' as const },
]

/** A pilot has its next jobs before it has room for them: of its slots no more than all are in use. */
export const Used = ({ used, slots }: { used: number; slots: number }) => (
  <Bar
    words={`${Math.min(used, slots)} of ${slots} slots in use`}
    parts={inUse(used, slots).filter(({ n }) => n > 0)}
  />
)

const shareOf = ({ running, slots }: Queue) => Math.min(100, percent(running, slots))

/** A queue in a line. */
export const queueColumns: Column<Queue>[] = [
  { id: 'state', title: 'State', width: '8rem', isMark: true, cell: ({ state }) => <State state={state} /> },
  { id: 'name', title: 'Queue', cell: ({ name }) => <QueueLink name={name} />, sortBy: ({ name }) => name },
  {
    id: 'used',
    title: 'In use',
    width: '20%',
    narrow: '18%',
    cell: (queue) => <Used used={queue.running} slots={queue.slots} />,
  },
  {
    id: 'share',
    title: '%',
    isWide: true,
    width: '4rem',
    isRight: true,
    cell: (queue) => (queue.slots > 0 ? shareOf(queue) : '–'),
    sortBy: shareOf,
  },
  {
    id: 'running',
    title: 'Running',
    width: '6.5rem',
    narrow: '5rem',
    isRight: true,
    cell: (q) => count(q.running),
    sortBy: (q) => q.running,
  },
  {
    id: 'waiting',
    title: 'Waiting',
    width: '6.5rem',
    narrow: '5rem',
    isRight: true,
    // The server looks at no more than a thousand of each lane.
    cell: ({ waiting }) => `${count(waiting)}${waiting < 1000 ? '' : '+'}`,
    sortBy: ({ waiting }) => waiting,
  },
  { id: 'slots', title: 'Slots', width: '6rem', isRight: true, cell: (q) => count(q.slots), isWide: true },
  {
    id: 'pilots',
    title: 'Pilots',
    width: '6rem',
    isRight: true,
    cell: ({ pilots }) => (pilots > 0 ? count(pilots) : <State state="paused" text="none" />),
    sortBy: ({ pilots }) => pilots,
    isWide: true,
  },
]
