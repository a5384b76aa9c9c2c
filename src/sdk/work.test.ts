import { expect, expectTypeOf, test } from 'vitest'
import type { Call } from './call.ts'
import type { MapCall, Outcome } from './index.ts'
import { callback, work, workflow } from './index.ts'

const square = work((x: number) => x * x)
const scale = work(async (by: number, x: number, unit?: string) => `${by * x} ${unit}`)
const ask = work(async (question: string) => ({ question, later: await callback<number>() }).later)
const main = workflow(async (n: number, label: string) => ({ n, label }))

test('values are typed from the function to the result', () => {
  expectTypeOf(square).parameters.toEqualTypeOf<[x: number]>()
  expectTypeOf(square).returns.toEqualTypeOf<Call<number>>()
  expectTypeOf(scale).returns.toEqualTypeOf<Call<string>>()
  expectTypeOf(ask).returns.toEqualTypeOf<Call<number>>()
  expectTypeOf<Awaited<Call<string>>>().toEqualTypeOf<string>()
  expectTypeOf<Call<string>>().toExtend<Promise<string>>()
  expectTypeOf(square.local).toEqualTypeOf<(x: number) => number>()
  expectTypeOf(main).parameters.toEqualTypeOf<[n: number, label: string]>()
  expectTypeOf(main.submit).toEqualTypeOf<(n: number, label: string) => Call<{ n: number; label: string }>>()
  expectTypeOf(main).returns.resolves.toEqualTypeOf<{ n: number; label: string }>()
})

test('maps are typed by what is left for each item', () => {
  // Never run: only their types matter.
  const uses = () => ({
    plain: square.map([1, 2]),
    common: scale.map([1, 2], { common: [3] }),
    twoCommon: scale.map(['mm'], { common: [3, 4] }),
    tuples: scale.starmap([
      [1, 2],
      [3, 4, 'mm'],
    ]),
    with: square.with({ cores: 2, after: [square(1), square.map([1])] }),
    // @ts-expect-error a text is no number
    wrong: square.map(['1']),
    // @ts-expect-error the second argument is a number
    wrongItem: scale.map(['mm'], { common: [3] }),
    // @ts-expect-error the common one is a number
    wrongCommon: scale.map([1], { common: ['3'] }),
    // @ts-expect-error nothing is left for the items
    wrongSquare: square.map([1], { common: [1] }),
    // @ts-expect-error there is no such option
    wrongOption: square.with({ cpus: 2 }),
  })
  type Uses = ReturnType<typeof uses>
  expectTypeOf<Uses['plain']>().toEqualTypeOf<MapCall<number>>()
  expectTypeOf<Uses['common']>().toEqualTypeOf<MapCall<string>>()
  expectTypeOf<Uses['twoCommon']>().toEqualTypeOf<MapCall<string>>()
  expectTypeOf<Uses['tuples']>().toEqualTypeOf<MapCall<string>>()
  expectTypeOf<Uses['with']>().toEqualTypeOf<typeof square>()
  expectTypeOf<Awaited<ReturnType<MapCall<number>['settle']>>>().toEqualTypeOf<Outcome<number>[]>()
})

test('the plain function runs here', async () => {
  expect(square.local(3)).toBe(9)
  expect(await scale.local(2, 3, 'mm')).toBe('6 mm')
})

test('a runner finds the function in the work', () => {
  const definition = (square as unknown as Record<symbol, { fn: unknown }>)[Symbol.for('culm.work')]
  expect(definition!.fn).toBe(square.local)
  expect((main as unknown as Record<symbol, { fn: unknown }>)[Symbol.for('culm.work')]!.fn).toBe(main.local)
})

test('what cannot be sent is refused where it is called', () => {
  expect(() => square(Promise.resolve(2) as never)).toThrow(/argument 1 is a promise or a call: await it first/)
  expect(() => square({ deep: [() => 1] } as never)).toThrow(/\.deep\[0\] is a function/)
  expect(() => scale.map([1], { common: [Promise.resolve(2) as never] })).toThrow(/argument 1 is a promise/)
})
