import type { Task } from '../../../src/contract/tasks.ts'
import { type Kind, kindOf } from './kinds.ts'

export type Counts = Task['counts']
type JobState = Exclude<keyof Counts, 'total'>

const ends = ['finished', 'failed', 'cancelled', 'closed'] as const
const endsOfAll = new Set<string>([...ends, 'done', 'exhausted', 'broken', 'aborted', 'expired'])

/** Whether nothing more happens to it by itself. */
export const hasEnded = (state: string) => endsOfAll.has(state)

export const endedIn = (counts: Counts) => ends.reduce((n, state) => n + (counts[state] ?? 0), 0)

export const runningIn = ({ sent = 0, starting = 0, running = 0 }: Counts) => sent + starting + running

export const waitingIn = ({ activated = 0, pending = 0 }: Counts) => activated + pending

/** From what is over to what is still to come. */
const order: JobState[] = [
  'finished',
  'failed',
  'cancelled',
  'closed',
  'holding',
  'transferring',
  'merging',
  'running',
  'starting',
  'sent',
  'awaiting',
  'activated',
  'pending',
]

export type Part = { state: JobState; n: number; kind: Kind }

export const partsOf = (counts: Counts): Part[] =>
  order.flatMap((state) => {
    const n = counts[state] ?? 0
    return n > 0 ? [{ state, n, kind: kindOf(state, 'job') }] : []
  })

export const countsText = (counts: Counts) =>
  partsOf(counts)
    .map(({ state, n }) => `${n} ${state}`)
    .join(', ') || 'no jobs yet'

export const sumOf = (all: Iterable<Counts>): Counts => {
  const sum: Record<string, number> = { total: 0 }
  for (const counts of all) for (const [state, n] of Object.entries(counts)) sum[state] = (sum[state] ?? 0) + (n ?? 0)
  return sum as Counts
}
