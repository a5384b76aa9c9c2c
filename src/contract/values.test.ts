import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { sha256 } from '../lib/digest.ts'
import { type Manifest, manifestText } from './blobs.ts'
import { decodeValue, encodeValue, TaggedValue } from './values.ts'

/** The vectors that hold the Python client to the same forms: python/tests/test_values.py, test_bundle.py. */
const vectors = (name: string) => JSON.parse(readFileSync(`fixtures/${name}.json`, 'utf8'))

type Vector = { name: string; text: string; node?: string | null }

test.each((vectors('values').values as Vector[]).map((v) => [v.name, v] as const))(
  '%s comes back as it should',
  (_, { text, node }) => {
    if (node === null) expect(() => decodeValue(text)).toThrow(expect.objectContaining({ code: 'value_unsupported' }))
    else expect(encodeValue(decodeValue(text))).toBe(node ?? text)
  },
)

test('every plain value survives', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(decodeValue(encodeValue(value))).toEqual(value)
    }),
  )
})

test('so do numbers that JSON lacks, big integers, dates, bytes, sets, maps and arrays of numbers', () => {
  const value = {
    nan: Number.NaN,
    inf: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0],
    big: 2n ** 100n,
    at: new Date(0),
    bytes: new Uint8Array([0, 255]),
    set: new Set([1, 'a']),
    map: new Map<unknown, unknown>([[1, { deep: new Float64Array([1.5, Number.NaN]) }]]),
    own: { $culm: 'mine', v: 1 },
    ['__proto__']: 'a key like any other',
  }
  expect(decodeValue(encodeValue(value))).toEqual(value)
})

/** Any text, half surrogates and NUL among it. */
const anyText = fc.array(fc.nat(0xffff), { maxLength: 6 }).map((codes) => String.fromCharCode(...codes))
const key = fc.oneof(anyText, fc.constantFrom('$culm', 'v', '__proto__', 'constructor', ''))

const entry = <T>(object: Record<string, T>, [name, value]: [string, T]) =>
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })

/** JSON text has no minus zero of its own. */
const passedOn = ([tag, v]: [string, unknown]) => new TaggedValue(tag, JSON.parse(JSON.stringify(v)))

const { value: anyValue } = fc.letrec<{ value: unknown; plain: unknown }>((tie) => ({
  plain: fc.oneof(
    anyText,
    fc.double(),
    fc.constantFrom(null, true, false, -0, Number.NaN, Number.POSITIVE_INFINITY, undefined),
    fc.bigInt(),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 9 }),
    fc.float64Array({ maxLength: 5 }),
    fc.int16Array({ maxLength: 5 }),
    fc.bigInt64Array({ maxLength: 5 }),
  ),
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie('plain'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((pairs) => pairs.reduce(entry, {})),
    fc.uniqueArray(tie('plain'), { maxLength: 4 }).map((items) => new Set(items)),
    // A map of texts with a key `$culm` is how such an object is written.
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie('value')), { maxLength: 4 })
      .map((pairs) => new Map(pairs.filter(([name]) => name !== '$culm'))),
    fc.tuple(fc.constantFrom('decimal', 'dataclass', 'enum', 'pandas', 'pickle'), fc.jsonValue()).map(passedOn),
  ),
}))

test('so does every value made of these, in every nesting, by text that any database can hold', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const text = encodeValue(value)
      expect(decodeValue(text)).toEqual(value === undefined ? null : value)
      expect(text.isWellFormed() && !text.includes('\u0000')).toBe(true)
      // What was read is written again as it was.
      expect(encodeValue(decodeValue(text))).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('what came from Python is in a JavaScript type where there is one, and goes back as what it was until it is changed', () => {
  const tuple = decodeValue('{"$culm":"tuple","v":[1,2]}') as number[]
  expect(tuple).toEqual([1, 2])
  expect(encodeValue([tuple, [...tuple]])).toBe('[{"$culm":"tuple","v":[1,2]},[1,2]]')
  const day = decodeValue('{"$culm":"date","v":"2026-01-02"}') as Date
  expect(day.toISOString()).toBe('2026-01-02T00:00:00.000Z')
  day.setUTCHours(5)
  expect(encodeValue(day)).toBe('{"$culm":"datetime","v":"2026-01-02T05:00:00.000Z"}')
  const table = decodeValue('{"$culm":"array","v":{"dtype":"int8","shape":[2,2],"data":"AQIDBA=="}}') as Int8Array
  table[0] = 9
  expect(encodeValue(table)).toBe('{"$culm":"array","v":{"dtype":"int8","shape":[2,2],"data":"CQIDBA=="}}')
})

test('what JavaScript has no type for is an opaque value that another copy of this code passes on too', async () => {
  const text = '{"$culm":"decimal","v":"1.50"}'
  const price = decodeValue(text)
  expect(price).toMatchObject({ tag: 'decimal', v: '1.50' })
  expect(price).toBeInstanceOf(TaggedValue)
  vi.resetModules()
  const copy: typeof import('./values.ts') = await import('./values.ts')
  expect(copy.TaggedValue).not.toBe(TaggedValue)
  const tuple = decodeValue('{"$culm":"tuple","v":[]}')
  expect(copy.encodeValue([price, tuple])).toBe(`[${text},{"$culm":"tuple","v":[]}]`)
})

test.each([
  ['a function', { a: [() => 1] }, '$.a[0]'],
  ['a symbol', [Symbol('x')], '$[0]'],
  ['a date that is none', { at: new Date(Number.NaN) }, '$.at'],
  ['a promise that nobody awaited', [1, Promise.resolve(2)], '$[1] is a Promise'],
  ['a buffer without a view', { raw: new ArrayBuffer(3) }, '$.raw'],
])('%s is refused, naming its place', (_, value, place) => {
  expect(() => encodeValue(value)).toThrow(
    expect.objectContaining({ code: 'value_unsupported', message: expect.stringContaining(place) }),
  )
})

test('a value that contains itself is refused', () => {
  const loop: { self?: unknown } = {}
  loop.self = loop
  expect(() => encodeValue(loop)).toThrow('contains itself')
})

test('a manifest has the same name in both languages', () => {
  for (const { manifest, text, hash } of vectors('bundle').bundles as {
    manifest: Manifest
    text: string
    hash: string
  }[]) {
    expect(manifestText(manifest)).toBe(text)
    expect(sha256(manifestText(manifest))).toBe(hash)
  }
})
