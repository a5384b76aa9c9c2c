/**
 * Values cross as JSON text, with tags for what JSON lacks: `{"$culm": tag, "v": …}`. The same forms are in `python/culm/_values.py`, and
 * `fixtures/values.json` holds both to them. A map that has a `$culm` key of its own is tagged `map`, so that every value survives.
 *
 * What comes from another language goes back as it came: what JavaScript has no type for is a `TaggedValue`; of what it has a poorer type for (an array for a
 * tuple, a Date for a day) it is remembered what it was, as long as it is that same object. Only numbers lose something: a whole float its point.
 */
import { fault } from './faults.ts'

type Tagged = { $culm: string; v: unknown }

/** On a `TaggedValue`: each copy of this code, in a bundle or a runner, knows those of the others by it. */
const taggedMark = Symbol.for('culm.taggedValue')

/** A value of another language that JavaScript has no type for (a decimal, an instance of a Python class, a table): it can be passed on, and is what it was. */
export class TaggedValue {
  /** Which kind it is: docs/reference/values.md has them all. */
  readonly tag: string
  /** What it consists of, as it travels. */
  readonly v: unknown

  constructor(tag: string, v: unknown) {
    this.tag = tag
    this.v = v
    Object.freeze(this)
  }

  get [taggedMark]() {
    return true
  }
}

/** As what something came, by the object that was made of it. One for all copies of this code in a process. */
const originsKey = Symbol.for('culm.valueOrigins')
const home = globalThis as { [originsKey]?: WeakMap<object, Tagged> }
home[originsKey] ??= new WeakMap()
const origins = home[originsKey]

const remembered = <T extends object>(value: T, origin: Tagged): T => {
  origins.set(value, origin)
  return value
}

/** The JSON text of a value. Throws `value_unsupported`, naming the place, for what cannot be sent (functions, symbols, cycles). */
export const encodeValue = (value: unknown): string => JSON.stringify(toPlain(value, '$', new Set())) ?? 'null'

export const decodeValue = (text: string): unknown => fromPlain(JSON.parse(text))

const toPlain = (value: unknown, place: string, above: Set<object>): unknown => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : tag('float', Object.is(value, -0) ? '-0' : String(value))
    case 'bigint':
      return tag('int', String(value))
    case 'undefined':
      return above.size === 0 ? null : tag('undefined', null)
    case 'object':
      return value === null ? null : objectToPlain(value, place, above)
    default:
      throw fault('value_unsupported', `${place} is a ${typeof value}`)
  }
}

const objectToPlain = (value: object, place: string, above: Set<object>): unknown => {
  if (above.has(value)) throw fault('value_unsupported', `${place} contains itself`)
  above.add(value)
  try {
    if (taggedMark in value) return tag((value as TaggedValue).tag, (value as TaggedValue).v)
    const origin = origins.get(value)
    if (Array.isArray(value)) {
      const items = Array.from(value, (item, i) => toPlain(item, `${place}[${i}]`, above))
      return origin ? tag('tuple', items) : items
    }
    if (value instanceof Date) return dateToPlain(value, place, origin)
    if (value instanceof Uint8Array)
      return tag('bytes', Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'))
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return arrayToPlain(value as TypedArray, origin)
    if (value instanceof Set)
      return tag(
        origin ? 'frozenset' : 'set',
        Array.from(value, (item) => toPlain(item, `${place}{}`, above)),
      )
    if (value instanceof Map)
      return tag(
        'map',
        Array.from(value, ([k, v]) => [toPlain(k, `${place} key`, above), toPlain(v, `${place}[${String(k)}]`, above)]),
      )
    const kind = Object.prototype.toString.call(value).slice(8, -1)
    if (emptied.has(kind)) throw fault('value_unsupported', `${place} is a ${kind}`)
    const entries = Object.entries(value as Record<string, unknown>).flatMap(([k, v]) =>
      v === undefined ? [] : [[k, toPlain(v, `${place}.${k}`, above)] as const],
    )
    if (origin && entries.map(([k]) => k).join() === 're,im')
      return tag(
        'complex',
        entries.map(([, v]) => v),
      )
    return entries.some(([k]) => k === '$culm') ? tag('map', entries) : Object.fromEntries(entries)
  } finally {
    above.delete(value)
  }
}

/** What is in these is in no property of theirs: sent as plain objects they would arrive empty. (A callback of the SDK is no value, and stands by itself.) */
const emptied = new Set([
  'culm.Callback',
  'Promise',
  'ArrayBuffer',
  'SharedArrayBuffer',
  'DataView',
  'RegExp',
  'WeakMap',
  'WeakSet',
  'WeakRef',
])

/** A Date that came as a day, in another zone or with microseconds, and was not changed, is that still. */
const dateToPlain = (date: Date, place: string, origin: Tagged | undefined): Tagged =>
  origin && new Date(origin.v as string).getTime() === date.getTime() ? origin : tag('datetime', isoOf(date, place))

const isoOf = (date: Date, place: string): string => {
  if (Number.isNaN(date.getTime())) throw fault('value_unsupported', `${place} is a date that is none`)
  return date.toISOString()
}

const tag = ($culm: string, v: unknown): Tagged => ({ $culm, v })

type TypedArray =
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | BigInt64Array
  | BigUint64Array

/** Names are NumPy's; the bytes are little-endian, as on every machine that Node and NumPy run on today. */
const arrayKinds = {
  Float64Array: 'float64',
  Float32Array: 'float32',
  Int32Array: 'int32',
  Uint32Array: 'uint32',
  Int16Array: 'int16',
  Uint16Array: 'uint16',
  Int8Array: 'int8',
  BigInt64Array: 'int64',
  BigUint64Array: 'uint64',
} as const

type PlainArray = { dtype: string; shape: number[]; data: string }

const arrayToPlain = (array: TypedArray, origin: Tagged | undefined): Tagged =>
  tag('array', {
    dtype: arrayKinds[array.constructor.name as keyof typeof arrayKinds] ?? 'uint8',
    shape: (origin?.v as PlainArray | undefined)?.shape ?? [array.length],
    data: Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64'),
  })

const fromPlain = (plain: unknown): unknown => {
  if (typeof plain !== 'object' || plain === null) return plain
  if (Array.isArray(plain)) return plain.map(fromPlain)
  if ('$culm' in plain) return fromTag(plain as Tagged)
  const out: Record<string, unknown> = {}
  for (const [k, v] of Object.entries(plain)) define(out, k, fromPlain(v))
  return out
}

/** As plain assignment, but `__proto__` stays a key like any other. */
const define = (target: object, key: string, value: unknown) =>
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })

const fromTag = ({ $culm, v }: Tagged): unknown => {
  switch ($culm) {
    case 'float':
      return v === '-0' ? -0 : Number(v)
    case 'int':
      return BigInt(v as string)
    case 'undefined':
      return undefined
    case 'datetime':
    case 'date':
      return remembered(new Date(v as string), tag($culm, v))
    case 'bytes':
      return new Uint8Array(Buffer.from(v as string, 'base64'))
    case 'array':
      return arrayFrom(v as PlainArray)
    case 'tuple':
      return remembered((v as unknown[]).map(fromPlain), tag($culm, null))
    case 'scalar':
      return fromPlain((v as { value: unknown }).value)
    case 'set':
      return new Set((v as unknown[]).map(fromPlain))
    case 'frozenset':
      return remembered(new Set((v as unknown[]).map(fromPlain)), tag($culm, null))
    case 'map':
      return mapFrom((v as [unknown, unknown][]).map(([k, x]) => [fromPlain(k), fromPlain(x)]))
    case 'complex':
      return remembered({ re: fromPlain((v as unknown[])[0]), im: fromPlain((v as unknown[])[1]) }, tag($culm, null))
    default:
      if (passedOn.has($culm)) return new TaggedValue($culm, v)
      throw fault('value_unsupported', `a value tagged "${$culm}" cannot be read here`)
  }
}

/** Tags of values that JavaScript has no type for. */
const passedOn = new Set([
  ...['time', 'timedelta', 'decimal', 'fraction', 'uuid', 'path', 'dataclass', 'enum', 'namedtuple', 'pandas'],
  ...['stored', 'pickle'],
])

/** A tagged map whose keys include `$culm` was a plain object; any other was a Map. */
const mapFrom = (entries: [unknown, unknown][]): unknown => {
  if (!entries.some(([k]) => k === '$culm') || !entries.every(([k]) => typeof k === 'string')) return new Map(entries)
  const out: Record<string, unknown> = {}
  for (const [k, v] of entries) define(out, k as string, v)
  return out
}

/** In more than one dimension the items row by row. Kinds that JavaScript has no array of are passed on. */
const arrayFrom = (v: PlainArray): unknown => {
  const name = Object.entries(arrayKinds).find(([, kind]) => kind === v.dtype)?.[0]
  if (!name) return new TaggedValue('array', v)
  const bytes = new Uint8Array(Buffer.from(v.data, 'base64'))
  const make = (globalThis as unknown as Record<string, new (b: ArrayBuffer) => object>)[name]!
  const array = new make(bytes.buffer as ArrayBuffer)
  return v.shape.length === 1 ? array : remembered(array, tag('array', { shape: v.shape }))
}
