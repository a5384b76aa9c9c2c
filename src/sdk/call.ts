import { valueIn } from './arrivals.ts'
import { argumentsText, type Called, type Started, startUse } from './use.ts'

/** A work that was called: a promise of its value, under way from the moment of the call, awaited or not. */
export class Call<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'Call'
  /** Id of the workflow that it belongs to, once the server has it. */
  readonly workflowId: Promise<string>
  /** Id of the task, once the server has it. */
  readonly taskId: Promise<string>
  /** Id of the job, once the server has it. */
  readonly jobId: Promise<string>
  /**
   * Asks the server to cancel the job; the call then ends with a RemoteError of kind `cancelled`, or with its value
   * if that was first.
   */
  readonly cancel: () => Promise<void>
  readonly #started: Started<T>
  #value: Promise<T> | undefined

  constructor(
    { definition, options, args, below }: Called & { args: readonly unknown[] },
    start: typeof startUse = startUse,
  ) {
    const started = start<T>({ definition, options, jobs: [argumentsText(args)], common: undefined }, below)
    this.#started = started
    this.workflowId = started.workflowId
    this.taskId = started.taskId
    this.jobId = started.firstJobId
    this.cancel = started.cancel
  }

  // biome-ignore lint/suspicious/noThenProperty: a call is awaited like any promise
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#value ??= valueWhenEnded(this.#started)
    return this.#value.then(onValue, onError)
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onError)
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.then().finally(onEnd)
  }
}

const valueWhenEnded = async <T>(started: Started<T>): Promise<T> => {
  const { arrivals } = started
  await started.wait('all')
  return valueIn(arrivals.outcomes[0]!)
}
