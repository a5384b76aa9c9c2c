import { captureCallSite } from './bundle/callSite.ts'
import { Call } from './call.ts'
import type { Callback } from './callback.ts'
import type { AnyFunction, Definition, UseOptions, WorkOptions } from './definition.ts'
import { MapCall } from './mapCall.ts'
import { workMark } from './runtime.ts'

/** What a work gives: what its function returns or resolves to, or what is posted to the callback that it returns. */
export type ResultOf<F extends AnyFunction> = PostedOr<Awaited<ReturnType<F>>>

type PostedOr<R> = R extends Callback<infer T> ? T : R

/** The parameters that are left when `common` has given the first ones. */
type RestOf<P extends readonly unknown[], Common extends readonly unknown[]> = Common extends readonly [
  unknown,
  ...infer CommonRest,
]
  ? P extends readonly [unknown?, ...infer Rest]
    ? RestOf<Rest, CommonRest>
    : never
  : P

/** Every way to give the first parameters and leave at least one. */
type CommonOf<P extends readonly unknown[]> = P extends readonly [infer First, infer Second, ...infer Rest]
  ? readonly [First] | readonly [First, ...CommonOf<[Second, ...Rest]>]
  : never

export type Work<F extends AnyFunction> = {
  /** Runs the function as a job of its own; `await` gives its value. */
  (...args: Parameters<F>): Call<ResultOf<F>>
  /**
   * One job per item, all in one task. Each item is the function's argument; `common` gives the arguments before it,
   * sent once for all jobs. For functions of several arguments that differ, see `starmap`.
   */
  map(items: Iterable<Parameters<F>[0]>): MapCall<ResultOf<F>>
  map<const Common extends CommonOf<Required<Parameters<F>>>>(
    items: Iterable<RestOf<Parameters<F>, Common>[0]>,
    options: { common: Common },
  ): MapCall<ResultOf<F>>
  /** As `map`, with all arguments of each job as one tuple. */
  starmap(items: Iterable<Readonly<Parameters<F>>>): MapCall<ResultOf<F>>
  /** The same work with other options, for this use. */
  with(options: UseOptions): Work<F>
  /** The plain function: runs here and now. */
  readonly local: F
  readonly [workMark]: Definition
}

/**
 * Makes a function one that runs as a job: `export const square = work((x: number) => x * x)`, then `await
 * square(3)`. It must be an export of its module, since a job finds it by module and export; what is not exported is
 * refused at the first call.
 */
export const work = <F extends AnyFunction>(fn: F, options: WorkOptions = {}): Work<F> =>
  useOf({ fn, options, site: captureCallSite(work) }, options)

const useOf = <F extends AnyFunction>(definition: Definition, options: UseOptions): Work<F> => {
  const call = (...args: unknown[]) => new Call({ definition, options, args, below: call })
  const mapTuples = (items: (readonly unknown[])[], common: readonly unknown[], below: AnyFunction) =>
    new MapCall({ definition, options, items, common, below })
  const map = (items: Iterable<unknown>, { common = [] }: { common?: readonly unknown[] } = {}): MapCall<unknown> =>
    mapTuples(
      Array.from(items, (item) => [item]),
      common,
      map,
    )
  const starmap = (items: Iterable<readonly unknown[]>): MapCall<unknown> => mapTuples(Array.from(items), [], starmap)
  const withOptions = (more: UseOptions) => useOf<F>(definition, { ...options, ...more })
  const work = Object.assign(call, { map, starmap, with: withOptions, local: definition.fn, [workMark]: definition })
  return work as unknown as Work<F>
}
