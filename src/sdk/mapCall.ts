import { type Outcome, valueIn } from './arrivals.ts'
import { argumentsText, type Called, type Started, startUse } from './use.ts'

/**
 * A work that was called for each item of a list. Await it for all values in the order of the list (it rejects at the
 * first failure); iterate it for each as it comes; `settle()` it for what became of every one, failed ones too.
 */
export class MapCall<T> implements Promise<T[]>, AsyncIterable<{ index: number; value: T }> {
  readonly [Symbol.toStringTag] = 'MapCall'
  /** Id of the workflow that it belongs to, once the server has it. */
  readonly workflowId: Promise<string>
  /** Id of the task that has all the jobs, once the server has it. */
  readonly taskId: Promise<string>
  /** How many jobs there are. */
  readonly size: number
  /** Asks the server to cancel what has not ended. */
  readonly cancel: () => Promise<void>
  readonly #started: Started<T>
  #values: Promise<T[]> | undefined

  constructor({
    definition,
    options,
    items,
    common,
    below,
  }: Called & { items: (readonly unknown[])[]; common: readonly unknown[] }) {
    const commonText = common.length > 0 ? argumentsText(common) : undefined
    const started = startUse<T>({ definition, options, jobs: items.map(argumentsText), common: commonText }, below)
    this.#started = started
    this.workflowId = started.workflowId
    this.taskId = started.taskId
    this.size = items.length
    this.cancel = started.cancel
  }

  /**
   * What became of every job, in the order of the list, with all values. Rejects only when the map could not be
   * submitted or the server is lost.
   */
  async settle(): Promise<Outcome<T>[]> {
    const { arrivals } = this.#started
    await this.#started.wait('all')
    return Promise.all(
      arrivals.outcomes.map(async (outcome) =>
        outcome.state === 'finished' ? { ...outcome, value: await valueIn(outcome) } : outcome,
      ),
    )
  }

  /** Values in the order in which they come, large ones fetched one by one as it goes on; throws at a failed one. */
  async *[Symbol.asyncIterator](): AsyncGenerator<{ index: number; value: T }, void, undefined> {
    const { arrivals } = this.#started
    for (let n = 0; n < this.size; n++) {
      await this.#started.wait(n)
      const outcome = arrivals.handed(n)
      yield { index: outcome.index, value: await valueIn(outcome) }
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: a map is awaited like any promise
  then<A = T[], B = never>(
    onValues?: ((values: T[]) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#values ??= this.#collect()
    return this.#values.then(onValues, onError)
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T[] | B> {
    return this.then(undefined, onError)
  }

  finally(onEnd?: (() => void) | null): Promise<T[]> {
    return this.then().finally(onEnd)
  }

  async #collect(): Promise<T[]> {
    const { arrivals } = this.#started
    await this.#started.wait('values')
    if (arrivals.toldFailure) throw arrivals.toldFailure
    return Promise.all(arrivals.outcomes.map(valueIn))
  }
}
