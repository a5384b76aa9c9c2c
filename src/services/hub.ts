import type { Notice, NoticeKind } from '../contract/notices.ts'
import type { PublishedMove, PublishedOutcome } from './effects.ts'

export type Subscriber = {
  workflowId: number
  kinds: ReadonlySet<NoticeKind>
  /** `all`, `driver`, or the number of the job whose calls are meant. */
  scope: 'all' | 'driver' | number
  /** `cursor` is set when everything up to it has been sent. */
  send: (notice: Notice, cursor?: string) => void
}

/**
 * Who listens to which workflow in this process. What commits here is pushed at once; what commits elsewhere, or slipped through, comes with the tail of
 * the history (`tailHistory`), which skips what was pushed.
 */
export class Hub {
  #subscribers = new Map<number, Set<Subscriber>>()
  #pushed = new Set<number>()
  #progressed = new Map<number, Set<number>>()

  subscribe(subscriber: Subscriber): () => void {
    const set = this.#subscribers.get(subscriber.workflowId) ?? new Set()
    set.add(subscriber)
    this.#subscribers.set(subscriber.workflowId, set)
    return () => {
      set.delete(subscriber)
      if (set.size === 0) this.#subscribers.delete(subscriber.workflowId)
    }
  }

  listens(workflowId: number): boolean {
    return this.#subscribers.has(workflowId)
  }

  get workflows(): number[] {
    return [...this.#subscribers.keys()]
  }

  outcome({ workflowId, parentJobId, outcome }: PublishedOutcome): void {
    if (!this.#subscribers.has(workflowId)) return
    this.#pushed.add(Number(outcome.jobId.slice(1)))
    this.#send(workflowId, { kind: 'outcome', data: outcome }, parentJobId)
  }

  /** From the tail of the history: sent unless it was pushed when it committed. */
  tailedOutcome(published: PublishedOutcome): void {
    if (this.#pushed.delete(Number(published.outcome.jobId.slice(1)))) return
    this.#send(published.workflowId, { kind: 'outcome', data: published.outcome }, published.parentJobId)
  }

  move({ workflowId, move }: PublishedMove): void {
    this.#send(workflowId, { kind: 'move', data: move }, null)
  }

  /** Remembers that the task's counters changed; `takeProgress` gives the tasks to whoever reads their counters, at a pace fit for eyes. */
  progress(workflowId: number, taskId: number): void {
    const listening = [...(this.#subscribers.get(workflowId) ?? [])].some((s) => s.kinds.has('progress'))
    if (!listening) return
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

  forget(jobId: number): void {
    this.#pushed.delete(jobId)
  }

  /** Everything up to here has been sent to all. */
  cursor(cursor: string, at: Date): void {
    for (const set of this.#subscribers.values())
      for (const subscriber of set) subscriber.send({ kind: 'ping', data: { at: at.toISOString() } }, cursor)
  }

  #send(workflowId: number, notice: Notice, parentJobId: number | null) {
    for (const subscriber of this.#subscribers.get(workflowId) ?? []) {
      if (!subscriber.kinds.has(notice.kind)) continue
      if (notice.kind === 'outcome' && !inScope(subscriber.scope, parentJobId)) continue
      subscriber.send(notice)
    }
  }
}

export const inScope = (scope: Subscriber['scope'], parentJobId: number | null): boolean =>
  scope === 'all' || (scope === 'driver' ? parentJobId === null : scope === parentJobId)

export const scopeOf = (text: string): Subscriber['scope'] =>
  text === 'all' || text === 'driver' ? text : Number(text.slice(1))
