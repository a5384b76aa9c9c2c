import type { ClaimedJob, ClaimedTask } from '../../../src/contract/pilots.ts'
import type { Threads } from './threads.ts'

/** Why an attempt is ended from outside. */
export type Stop = 'cancelled' | 'dropped' | 'returned'

/** An attempt that the pilot holds, from its claim until the server has acknowledged its end. */
export type Held = {
  key: string
  job: ClaimedJob
  task: ClaimedTask
  phase: 'running' | 'awaiting' | 'woken' | 'ended'
  stop: Stop | null
  stopped: AbortController
}

export const keyOf = ({ jobId, attempt }: { jobId: string; attempt: number }): string => `${jobId}:${attempt}`

export const memoryOf = ({ job, task }: Held): number | null => job.memoryMb ?? task.memoryMb

/** All that the pilot holds, and the room taken by those that have a slot. */
export class HeldJobs {
  readonly #threads: Threads
  readonly #held = new Map<string, Held>()
  readonly #taken = { cores: 0, memoryMb: 0, gpus: 0 }

  constructor(threads: Threads) {
    this.#threads = threads
  }

  get taken(): Readonly<{ cores: number; memoryMb: number; gpus: number }> {
    return this.#taken
  }

  get size(): number {
    return this.#held.size
  }

  all(): Iterable<Held> {
    return this.#held.values()
  }

  /** Undefined when it is held already. */
  take(job: ClaimedJob, task: ClaimedTask): Held | undefined {
    const key = keyOf(job)
    if (this.#held.has(key)) return undefined
    const held: Held = { key, job, task, phase: 'running', stop: null, stopped: new AbortController() }
    this.#held.set(key, held)
    this.#takeRoom(held)
    return held
  }

  forget(key: string): void {
    this.#held.delete(key)
  }

  /** It has its slot again. */
  resume(key: string): void {
    const held = this.#held.get(key)
    if (held?.phase !== 'woken') return
    held.phase = 'running'
    this.#takeRoom(held)
    this.#threads.ring(`held:${key}`)
  }

  stop(key: string, why: Stop): void {
    const held = this.#held.get(key)
    if (!held || held.phase === 'ended' || (held.stop && why !== 'dropped')) return
    held.stop = why
    held.stopped.abort()
  }

  #takeRoom(held: Held): void {
    this.#taken.cores += held.task.cores
    this.#taken.memoryMb += memoryOf(held) ?? 0
    this.#taken.gpus += held.task.gpus
  }

  giveRoom(held: Held): void {
    this.#taken.cores -= held.task.cores
    this.#taken.memoryMb -= memoryOf(held) ?? 0
    this.#taken.gpus -= held.task.gpus
    this.#threads.ring('freed')
  }
}
