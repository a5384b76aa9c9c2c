import type { Queue } from '../../../../src/contract/pilots.ts'
import { Bar } from '../../parts/jobsBar.tsx'
import { State } from '../../parts/state.tsx'
import type { Column } from '../../parts/table.tsx'
import { count, percent } from '../../words/numbers.ts'

const inUse = (used: number, slots: number) => [
  { state: 'running', n: used, kind: 'busy' as const },
  { state: 'free', n: Math.max(0, slots - used), kind: 'free' as const },
]

export const Used = ({ used, slots }: { used: number; slots: number }) => (
  <Bar words={`${used} of ${slots} slots in use`} parts={inUse(used, slots).filter(({ n }) => n > 0)} />
)

/** A queue in a line. */
export const queueColumns: Column<Queue>[] = [
  { id: 'state', title: 'State', width: '8rem', cell: ({ state }) => <State state={state} /> },
  { id: 'name', title: 'Queue', cell: ({ name }) => <b>{name}</b>, sortBy: ({ name }) => name },
  { id: 'used', title: 'In use', width: '20%', cell: (queue) => <Used used={queue.running} slots={queue.slots} /> },
  {
    id: 'share',
    title: '%',
    isWide: true,
    width: '4rem',
    isRight: true,
    cell: ({ running, slots }) => (slots > 0 ? percent(running, slots) : '–'),
    sortBy: ({ running, slots }) => percent(running, slots),
  },
  {
    id: 'running',
    title: 'Running',
    width: '6.5rem',
    isRight: true,
    cell: (q) => count(q.running),
    sortBy: (q) => q.running,
  },
  {
    id: 'waiting',
    title: 'Waiting',
    width: '6.5rem',
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
