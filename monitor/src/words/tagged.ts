import { sizeOf } from './numbers.ts'

/** Values travel as JSON with tags for what that lacks (docs/reference/values.md). This is what people read in their place, and what can be drawn of them. */
type Tagged = { $culm: string; v: unknown }

const isTagged = (plain: unknown): plain is Tagged =>
  typeof plain === 'object' && plain !== null && '$culm' in plain && typeof plain.$culm === 'string'

const isList = (plain: unknown): plain is unknown[] => Array.isArray(plain)

/** The JSON text of a value as its language would print it, on one line. What has no tags stays as it is written: 1.0 stays 1.0. */
export const readable = (text: string): string => {
  if (!text.includes('"$culm"')) return text
  try {
    return said(JSON.parse(text))
  } catch {
    // The server takes any text for a value; one that is not as agreed is shown as it is.
    return text
  }
}

const said = (plain: unknown): string => {
  if (isTagged(plain)) return saidTagged(plain)
  if (isList(plain)) return `[${listed(plain)}]`
  if (typeof plain === 'object' && plain !== null) return `{${named(plain)}}`
  return JSON.stringify(plain)
}

const listed = (items: unknown[]): string => items.map(said).join(', ')

const named = (map: object): string =>
  Object.entries(map)
    .map(([name, part]) => `${JSON.stringify(name)}: ${said(part)}`)
    .join(', ')

const given = (fields: object): string =>
  Object.entries(fields)
    .map(([name, part]) => `${name}=${said(part)}`)
    .join(', ')

const saidTagged = ({ $culm: tag, v }: Tagged): string => {
  switch (tag) {
    case 'tuple':
      return `(${listed(v as unknown[])}${(v as unknown[]).length === 1 ? ',' : ''})`
    case 'set':
    case 'frozenset':
      return (v as unknown[]).length === 0 ? `${tag}()` : `{${listed(v as unknown[])}}`
    case 'map':
      return `{${(v as [unknown, unknown][]).map(([key, part]) => `${said(key)}: ${said(part)}`).join(', ')}}`
    case 'scalar':
      return said((v as { value: unknown }).value)
    case 'complex':
      return `(${(v as unknown[]).map(said).join(' + ')}j)`
    case 'bytes':
      return `bytes (${sizeOf(bytesIn(v as string))})`
    case 'array': {
      const { dtype, shape } = v as { dtype: string; shape: number[] }
      return `array of ${dtype} [${shape.join(' × ')}]`
    }
    case 'dataclass':
    case 'namedtuple': {
      const { name, fields, items } = v as { name: string; fields: object; items?: unknown[] }
      return `${name}(${items ? listed(items) : given(fields)})`
    }
    case 'enum': {
      const { name, member, value } = v as { name: string; member: string | null; value: unknown }
      return member === null ? `${name}(${said(value)})` : `${name}.${member}`
    }
    case 'pandas':
      return `pandas ${(v as { kind: string }).kind}`
    case 'stored':
      return `${sizeOf((v as { bytes: number }).bytes)}, stored apart`
    case 'pickle':
      return 'a pickled object'
    case 'undefined':
      return 'undefined'
    default:
      return typeof v === 'string' ? v : `${tag} ${said(v)}`
  }
}

const bytesIn = (base64: string): number => Math.floor((base64.replace(/=+$/, '').length * 3) / 4)

/** A value without its tags, as far as there are numbers in it: those of NumPy are numbers, a tuple is a list, a dataclass an object. */
export const untagged = (plain: unknown): unknown => {
  if (isTagged(plain)) return untaggedOf(plain)
  if (isList(plain)) return plain.map(untagged)
  if (typeof plain === 'object' && plain !== null)
    return Object.fromEntries(Object.entries(plain).map(([name, part]) => [name, untagged(part)]))
  return plain
}

const untaggedOf = ({ $culm: tag, v }: Tagged): unknown => {
  switch (tag) {
    case 'float':
    case 'int':
    case 'decimal':
      return Number(v)
    case 'scalar':
      return untagged((v as { value?: unknown }).value)
    case 'tuple':
      return untagged(v)
    case 'map':
      return Object.fromEntries(
        (v as [unknown, unknown][]).map(([key, part]) => [String(untagged(key)), untagged(part)]),
      )
    case 'dataclass':
      return untagged((v as { fields?: unknown }).fields)
    default:
      return null
  }
}
