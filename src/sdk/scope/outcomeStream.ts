import type { Client } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import type { Outcome } from '../../contract/jobs.ts'
import type { SubmittedTask } from '../../contract/tasks.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { sleep } from '../../lib/clock.ts'
import { isFault, messageOf } from '../../lib/fault.ts'

/** One task whose outcomes are wanted. Each index is received once, however often the server tells it. */
export type Wanted = { jobs: number; receive(outcome: Outcome): void; fail(error: unknown): void }

/** A submission: keeps the stream open until `end`. */
export type Watch = {
  submit<T extends Pick<SubmittedTask, 'taskId' | 'known'>>(send: () => Promise<T>, wanted: Wanted): Promise<T>
  /** What is still wanted of a task fails. */
  giveUp(taskId: string, error: unknown): void
  end(): void
}

export type StreamOptions = {
  client: Client
  workflowId: string
  /** `driver`, or the id of the job that calls. */
  scope: string
  /**
   * How long the stream stays open when nothing is awaited, ms. An open stream keeps the process alive, so a program
   * ends so much later than its last line; a call within that time needs no new stream.
   */
  idleMs?: number
  /** How long the server may be away before what is awaited fails, s. */
  awaySeconds?: number
}

/** The server pings every 15 s: after three without a word the connection is dead, whatever TCP thinks. */
const silentMs = 45_000

type Tracked = Wanted & { seen: Set<number> }

/**
 * The outcomes of all calls of one scope, from one stream. It is open while something is awaited, and is opened
 * before the submission, so that a call needs no more than one request. The stream tells what happens *while* it is
 * open: what may have ended before (a replayed call, a stream that broke, a first stream that opened after the
 * submission) is asked for by the task.
 */
export class OutcomeStream {
  readonly #options: Required<StreamOptions>
  readonly #tracked = new Map<string, Tracked>()
  /** Outcomes of tasks that nobody knows yet: the stream may be faster than the reply of the submission. */
  readonly #early = new Map<string, Outcome[]>()
  #submissions = 0
  /** Counts the streams that were opened; `#open` says whether the last of them still is. */
  #opened = 0
  #open = false
  #running: AbortController | undefined
  #connection: AbortController | undefined
  #idle: NodeJS.Timeout | undefined
  #lastId: string | undefined

  constructor(options: StreamOptions) {
    this.#options = { idleMs: 50, awaySeconds: 600, ...options }
  }

  /** Opens the stream, if it is not, for a submission to come. */
  begin(): Watch {
    this.#submissions++
    this.#start()
    return {
      submit: async (send, wanted) => {
        const before = this.#open ? this.#opened : -1
        const task = await send()
        this.#track(task.taskId, wanted)
        if (this.#open && (task.known || before !== this.#opened)) void this.#catchUp(task.taskId)
        return task
      },
      giveUp: (taskId, error) => this.#giveUp(taskId, error),
      end: () => {
        if (--this.#submissions === 0) this.#early.clear()
        this.#stopWhenIdle()
      },
    }
  }

  /** Ends everything: what is awaited fails with `error`. */
  fail(error: unknown): void {
    this.#running?.abort()
    const wanted = [...this.#tracked.values()]
    this.#tracked.clear()
    for (const { fail } of wanted) fail(error)
  }

  #track(taskId: string, wanted: Wanted): void {
    if (wanted.jobs === 0) return
    this.#tracked.set(taskId, { ...wanted, seen: new Set() })
    const early = this.#early.get(taskId) ?? []
    this.#early.delete(taskId)
    for (const outcome of early) this.#deliver(outcome)
  }

  #deliver(outcome: Outcome): void {
    const tracked = this.#tracked.get(outcome.taskId)
    if (!tracked) this.#keepEarly(outcome)
    if (!tracked || tracked.seen.has(outcome.index)) return
    tracked.seen.add(outcome.index)
    if (tracked.seen.size >= tracked.jobs) {
      this.#tracked.delete(outcome.taskId)
      this.#stopWhenIdle()
    }
    tracked.receive(outcome)
  }

  #keepEarly(outcome: Outcome): void {
    if (this.#submissions === 0) return
    this.#early.set(outcome.taskId, [...(this.#early.get(outcome.taskId) ?? []), outcome])
  }

  #start(): void {
    clearTimeout(this.#idle)
    if (this.#running) return
    const running = new AbortController()
    this.#running = running
    void this.#run(running.signal).finally(() => {
      if (this.#running === running) this.#running = undefined
      if (this.#isNeeded()) this.#start()
    })
  }

  #isNeeded(): boolean {
    return this.#submissions > 0 || this.#tracked.size > 0
  }

  #stopWhenIdle(): void {
    clearTimeout(this.#idle)
    if (this.#isNeeded()) return
    this.#idle = setTimeout(() => this.#running?.abort(), this.#options.idleMs)
  }

  /** Reads streams, one after the other, until nothing is awaited, the server refuses, or it was away for too long. */
  async #run(signal: AbortSignal): Promise<void> {
    let awaySince = performance.now()
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#read(signal, () => {
          failures = 0
        })
        awaySince = performance.now()
      } catch (error) {
        if (signal.aborted) return
        if (failures === 0) awaySince = performance.now()
        if (isFault(error, 'invalid_cursor')) this.#lastId = undefined
        else if (!isPassing(error)) return this.fail(error)
        const { awaySeconds, client } = this.#options
        if (performance.now() - awaySince > awaySeconds * 1000) {
          return this.fail(
            fault(
              'server_away',
              `${client.url} has been away for ${awaySeconds} s (${messageOf(error)})`,
              undefined,
              error,
            ),
          )
        }
      }
      await sleep(backoffMs(failures + 1, { baseMs: 50, maxMs: 2000 }), signal)
    }
  }

  async #read(signal: AbortSignal, opened: () => void): Promise<void> {
    const { client, workflowId, scope } = this.#options
    const connection = new AbortController()
    this.#connection = connection
    const watch = setTimeout(() => connection.abort(), silentMs).unref()
    try {
      const stream = await client.open('streamWorkflow', {
        params: { id: workflowId },
        query: { kinds: 'outcomes', scope },
        signal: AbortSignal.any([signal, connection.signal]),
        lastId: this.#lastId,
      })
      opened()
      this.#open = true
      this.#opened++
      for (const taskId of this.#tracked.keys()) void this.#catchUp(taskId)
      for await (const { kind, id, data } of stream) {
        watch.refresh()
        if (id) this.#lastId = id
        if (kind === 'outcomes') for (const outcome of data as Outcome[]) this.#deliver(outcome)
      }
    } finally {
      clearTimeout(watch)
      this.#open = false
    }
  }

  /** Asks for what has ended of a task. If that fails, the connection is begun anew, which asks again. */
  async #catchUp(taskId: string): Promise<void> {
    try {
      let after: string | undefined
      do {
        const page = await this.#options.client.call('listOutcomes', {
          params: { id: taskId as `t${number}` },
          query: { limit: 1000, after },
        })
        for (const outcome of page.items) this.#deliver(outcome)
        after = page.next ?? undefined
      } while (after && this.#tracked.has(taskId))
    } catch (error) {
      if (isPassing(error)) return this.#connection?.abort()
      this.#giveUp(taskId, error)
    }
  }

  #giveUp(taskId: string, error: unknown): void {
    const tracked = this.#tracked.get(taskId)
    this.#tracked.delete(taskId)
    this.#stopWhenIdle()
    tracked?.fail(error)
  }
}

/** What is not the server's own refusal is taken to pass: it, its database or a proxy before it is away. */
const isPassing = (error: unknown): boolean => !isFault(error) || passing.has(error.code)
const passing = new Set(['server_away', 'database_away', 'overloaded', 'internal'])
