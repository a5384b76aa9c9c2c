import type { QueueState } from '../../domain/queue/states.ts'

export type QueueFacts = { id: number; name: string; site: string; state: QueueState; maxSlots: number | null }

export type Wish = { queue: string | null; site: string | null; cores: number }

export type Choice =
  | { kind: 'chosen'; queueIds: number[]; rejected: Rejection[] }
  | { kind: 'none'; unknown: 'queue' | 'site' | null; rejected: Rejection[] }

export type Rejection = { queue: string; why: string }

type Filter = (queue: QueueFacts, wish: Wish) => string | null

const named: Filter = (queue, wish) =>
  wish.queue === null || wish.queue === queue.name ? null : `the task names ${wish.queue}`

const atSite: Filter = (queue, wish) =>
  wish.site === null || wish.site === queue.site ? null : `it is at ${queue.site}, the task names ${wish.site}`

const takesWork: Filter = (queue, wish) => {
  if (queue.state === 'online') return null
  if (queue.state === 'test' && wish.queue === queue.name) return null
  return `it is ${queue.state}`
}

/** What a queue's pilots have ever offered; a queue without a pilot yet may get larger ones. */
const enoughCores: Filter = (queue, wish) =>
  queue.maxSlots === null || wish.cores <= queue.maxSlots
    ? null
    : `needs ${wish.cores} cores, its largest pilot has ${queue.maxSlots}`

/** In order; each with its reason, which is kept so that "why is it not running?" has an answer. */
export const filters: readonly Filter[] = [named, atSite, takesWork, enoughCores]

/** The set of queues that may take the task: any of them, whichever has room first (late binding). Facts are cached ones: nothing is asked of the world here. */
export const decideQueues = (queues: readonly QueueFacts[], wish: Wish): Choice => {
  const rejected: Rejection[] = []
  const queueIds: number[] = []
  for (const queue of queues) {
    const why = firstReason(queue, wish)
    if (why === null) queueIds.push(queue.id)
    else rejected.push({ queue: queue.name, why })
  }
  if (queueIds.length > 0) return { kind: 'chosen', queueIds: queueIds.sort((a, b) => a - b), rejected }
  return { kind: 'none', unknown: unknownOf(queues, wish), rejected }
}

/** What it names, and nobody knows. */
const unknownOf = (queues: readonly QueueFacts[], { queue, site }: Wish): 'queue' | 'site' | null => {
  if (queue !== null && !queues.some(({ name }) => name === queue)) return 'queue'
  return site !== null && !queues.some((known) => known.site === site) ? 'site' : null
}

const firstReason = (queue: QueueFacts, wish: Wish): string | null => {
  for (const filter of filters) {
    const why = filter(queue, wish)
    if (why !== null) return why
  }
  return null
}
