import type { Notice, NoticeKind } from '../../contract/notices.ts'
import type { PublishedMove, PublishedOutcome } from './effects.ts'

export type Subscriber = {
  workflowId: number
  kinds: ReadonlySet<NoticeKind>
  /** `all`, `driver`, or the number of the job whose calls are meant. */
  scope: 'all' | 'driver' | number
  /** Outcomes come one by one, also to those who asked for lists. `cursor` is set when everything up to it has been sent. */
  send: (notice: Notice, cursor?: string) => void
}

/**
 * Who listens to which workflow in this process. What commits here is pushed at once; what commits elsewhere, or slipped through, comes with the tail of
 * the history (`tailHistory`), which skips what was pushed.
 */
export class Hub {
  #listeners = new Map<number, { subscribers: Set<Subscriber>; pushed: Set<number> }>()
  #progressed = new Map<number, Set<number>>()

  subscribe(subscriber: Subscriber): () => void {
    const { workflowId } = subscriber
    const listening = this.#listeners.get(workflowId) ?? { subscribers: new Set(), pushed: new Set() }
    listening.subscribers.add(subscriber)
    this.#listeners.set(workflowId, listening)
    return () => {
      listening.subscribers.delete(subscriber)
      if (listening.subscribers.size === 0) this.#listeners.delete(workflowId)
    }
  }

  /** How many listen. */
  get size(): number {
    return [...this.#listeners.values()].reduce((n, { subscribers }) => n + subscribers.size, 0)
  }

  /** Those that somebody listens to. */
  get workflows(): number[] {
    return [...this.#listeners.keys()]
  }

  /** What has just committed here. The tail will find it in the history too, and must not tell it again. */
  outcome({ workflowId, parentJobId, outcome }: PublishedOutcome): void {
    const listening = this.#listeners.get(workflowId)
    if (!listening) return
    listening.pushed.add(Number(outcome.jobId.slice(1)))
    this.#send(workflowId, { kind: 'outcome', data: outcome }, parentJobId)
  }

  /** Tells whether this job's end was pushed, and forgets it. */
  forget(workflowId: number, jobId: number): boolean {
    return this.#listeners.get(workflowId)?.pushed.delete(jobId) ?? false
  }

  tailedOutcome({ workflowId, parentJobId, outcome }: PublishedOutcome): void {
    this.#send(workflowId, { kind: 'outcome', data: outcome }, parentJobId)
  }

  move({ workflowId, move }: PublishedMove): void {
    this.#send(workflowId, { kind: 'move', data: move }, null)
  }

  /** Remembers that the task's counters changed; `takeProgress` gives the tasks to whoever reads their counters, at a pace fit for eyes. */
  progress(workflowId: number, taskId: number): void {
    const { subscribers = [] } = this.#listeners.get(workflowId) ?? {}
    if (![...subscribers].some((s) => s.kinds.has('progress'))) return
    const tasks = this.#progressed.get(workflowId) ?? new Set()
    tasks.add(taskId)
    this.#progressed.set(workflowId, tasks)
  }

  takeProgress(): { workflowId: number; taskIds: number[] }[] {
    const all = [...this.#progressed].map(([workflowId, tasks]) => ({ workflowId, taskIds: [...tasks] }))
    this.#progressed.clear()
    return all
  }

  send(workflowId: number, notice: Notice): void {
    this.#send(workflowId, notice, null)
  }

  /** Everything up to here has been sent to all. */
  cursor(cursor: string, at: Date): void {
    for (const { subscribers } of this.#listeners.values())
      for (const subscriber of subscribers) subscriber.send({ kind: 'ping', data: { at: at.toISOString() } }, cursor)
  }

  #send(workflowId: number, notice: Notice, parentJobId: number | null) {
    for (const subscriber of this.#listeners.get(workflowId)?.subscribers ?? []) {
      const isWanted =
        subscriber.kinds.has(notice.kind) || (notice.kind === 'outcome' && subscriber.kinds.has('outcomes'))
      if (!isWanted) continue
      if (notice.kind === 'outcome' && !inScope(subscriber.scope, parentJobId)) continue
      subscriber.send(notice)
    }
  }
}

export const inScope = (scope: Subscriber['scope'], parentJobId: number | null): boolean =>
  scope === 'all' || (scope === 'driver' ? parentJobId === null : scope === parentJobId)

export const scopeOf = (text: string): Subscriber['scope'] =>
  text === 'all' || text === 'driver' ? text : Number(text.slice(1))
