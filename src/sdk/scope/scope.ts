import type { Client } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import type { Outcome as RawOutcome } from '../../contract/jobs.ts'
import type { NewJob } from '../../contract/tasks.ts'
import { decodeValue } from '../../contract/values.ts'
import { sha256 } from '../../lib/digest.ts'
import { isFault } from '../../lib/fault.ts'
import type { Outcome } from '../arrivals.ts'
import { type Address, addressOf } from '../bundle/address.ts'
import { bundleFor } from '../bundle/bundleFor.ts'
import type { After } from '../definition.ts'
import { RemoteError, type RemoteErrorContext } from '../remoteError.ts'
import type { Use } from '../use.ts'
import { makeJournal } from './journal.ts'
import { OutcomeStream, type Wanted } from './outcomeStream.ts'
import type { Slot } from './slot.ts'
import { fetchText, sendText } from './values.ts'

/** Jobs of a map that go in one request, so that the first of them run while the rest are on their way. */
const jobsPerPart = 1000

/** Arguments that go in one request, bytes: well below the server's limit of a request (16 MB). */
const bytesPerPart = 4_000_000

export type ScopeOptions = {
  client: Client
  workflowId: `w${number}`
  /** `driver`, or the id of the job whose calls these are. */
  name: string
  /** Number of the driver's starts, or of the job's attempt: of two the older is refused. */
  epoch: number
  slot: Slot
}

export type Submitted = { taskId: string; firstJobId: string | null }

/**
 * Where calls are made from: the driver of a workflow, or a job. It gives them their keys, sends them, and hears how
 * they end.
 */
export class Scope {
  readonly #options: ScopeOptions
  readonly #outcomes: OutcomeStream
  readonly #keyOf = makeJournal()
  #failure: { error: unknown } | undefined

  constructor(options: ScopeOptions) {
    this.#options = options
    this.#outcomes = new OutcomeStream({ client: options.client, workflowId: options.workflowId, scope: options.name })
  }

  /** Makes a task of a use; resolves when the server has it. The further parts of a large map follow. */
  async submit(use: Use): Promise<Submitted> {
    if (this.#failure) throw this.#failure.error
    const watch = this.#outcomes.begin()
    try {
      const address = await addressOf(use.definition)
      // Uses of one work come here in the order in which they were made, which is what their ordinals count; so before
      // any other wait.
      const key = this.#keyOf(
        address.name,
        address.export,
        use.common === undefined ? use.jobs : [use.common, ...use.jobs],
      )
      const first = partAt(use.jobs, 0)
      const { body, bundle } = await this.#taskOf(use, address, key, first)
      const send = () => this.#options.client.call('submitTask', { body, key: this.#requestKey(key) })
      const task = await watch.submit(send, this.#wanted(use, { work: body.name, callSite: use.callSite, bundle }))
      const rest = this.#addParts(task.taskId, use.jobs, task.known ? task.jobs : first.length)
      void rest.catch((error) => watch.giveUp(task.taskId, error)).finally(watch.end)
      return task
    } catch (error) {
      watch.end()
      throw error
    }
  }

  /** Waits as the code of this scope does: for free, or giving its slot back. */
  wait<T>(arrived: Promise<T>): Promise<T> {
    return this.#options.slot.wait(arrived)
  }

  /** Cancelling what has ended is no error. */
  async cancel(taskId: string): Promise<void> {
    try {
      await this.#options.client.call('cancelTask', { params: { id: taskId as `t${number}` }, body: {}, repeat: true })
    } catch (error) {
      if (!isFault(error, 'not_cancellable')) throw error
    }
  }

  /** No more can come of this scope: its calls fail with `error`, now and later. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#outcomes.fail(error)
  }

  async #taskOf({ options, jobs, common }: Use, address: Address, key: string, first: string[]) {
    const { client, workflowId, epoch } = this.#options
    const { after, name = address.export, ...needs } = options
    const [bundle, sentCommon, sentJobs, parents] = await Promise.all([
      bundleFor(address, client),
      common === undefined ? undefined : sendText(client, common),
      this.#newJobs(first),
      taskIds(after),
    ])
    const { hash, module } = bundle
    const body = {
      workflowId,
      name,
      payload: { kind: 'function' as const, language: 'node' as const, bundle: hash, module, export: address.export },
      common: sentCommon,
      jobs: sentJobs,
      open: first.length < jobs.length,
      after: parents,
      call: { key, epoch },
      ...needs,
    }
    return { body, bundle }
  }

  /** Unique among all requests of the owner, and the same when this attempt of this scope repeats it. */
  #requestKey(key: string): string {
    const { workflowId, name, epoch } = this.#options
    return sha256([workflowId, name, epoch, key].join(' '))
  }

  #newJobs(texts: string[]): Promise<NewJob[]> {
    return Promise.all(texts.map(async (text) => ({ args: await sendText(this.#options.client, text) })))
  }

  /**
   * One after the other, since a task takes its jobs in the order of their indexes; a part that is repeated is known
   * by its first.
   */
  async #addParts(taskId: `t${number}`, jobs: string[], from: number): Promise<void> {
    for (let firstIndex = from; firstIndex < jobs.length; ) {
      const part = partAt(jobs, firstIndex)
      const body = { firstIndex, jobs: await this.#newJobs(part), close: firstIndex + part.length === jobs.length }
      await this.#options.client.call('addJobs', { params: { id: taskId }, body, repeat: true }).catch((error) => {
        if (!isFault(error, 'task_closed')) throw error
        throw fault('task_closed', `${taskId} was cancelled before all of its ${jobs.length} jobs were sent`)
      })
      firstIndex += part.length
    }
  }

  #wanted({ arrivals, jobs }: Use, context: RemoteErrorContext): Wanted {
    const fail = (error: unknown) => arrivals.fail(error)
    return {
      jobs: jobs.length,
      receive: (raw) => void this.#ended(raw, context).then((outcome) => arrivals.receive(outcome), fail),
      fail,
    }
  }

  async #ended(raw: RawOutcome, context: RemoteErrorContext): Promise<Outcome<unknown>> {
    const { index, jobId, state } = raw
    if (state !== 'finished') {
      return {
        index,
        jobId,
        state: state === 'failed' ? 'failed' : 'cancelled',
        error: new RemoteError(raw, context),
      }
    }
    const text = raw.value ? await fetchText(this.#options.client, raw.value, this.#options.workflowId) : 'null'
    return { index, jobId, state, value: decodeValue(text) }
  }
}

/** The jobs from `from` on that go in one request. */
const partAt = (texts: string[], from: number): string[] => {
  let end = from
  for (let bytes = 0; end < texts.length && end - from < jobsPerPart; end++) {
    bytes += Buffer.byteLength(texts[end]!)
    if (bytes > bytesPerPart && end > from) break
  }
  return texts.slice(from, end)
}

const taskIds = async (after: readonly After[] | undefined): Promise<`t${number}`[] | undefined> => {
  if (!after || after.length === 0) return undefined
  return Promise.all(
    after.map(async (parent) => (typeof parent === 'string' ? parent : await parent.taskId) as `t${number}`),
  )
}
