import type { Value } from '../../../src/contract/base.ts'
import type { Outcome, RemoteError } from '../../../src/contract/jobs.ts'
import type { Payload } from '../../../src/contract/tasks.ts'
import { sizeOf } from './numbers.ts'
import { readable, untagged } from './tagged.ts'

export const firstLine = (text: string) => text.split('\n', 1)[0]!.slice(0, 200)

/** A value as people read it. */
export const textOf = (value: Value): string => {
  if (!('text' in value)) return `${sizeOf(value.bytes)}, stored apart as ${value.blob.slice(0, 12)}…`
  const text = readable(value.text)
  return text.length > 20_000 ? `${text.slice(0, 20_000)}… (${sizeOf(text.length)} in all)` : text
}

export const errorText = ({ type, message, stack }: RemoteError) =>
  stack?.includes(message) ? stack : [`${type}: ${message}`, stack].filter(Boolean).join('\n')

export const errorLine = ({ type, message }: RemoteError) => `${type}: ${firstLine(message)}`

/** One line of how a job ended. */
export const lineOf = ({ value, error, cause }: Pick<Outcome, 'value' | 'error' | 'cause'>) => {
  if (error) return errorLine(error)
  return value ? firstLine(textOf(value)) : (cause ?? '')
}

/** What of a value can be drawn: a number by itself is `value`, those in an object go by their names, two levels deep. */
export const numbersIn = (value: Value | undefined): Record<string, number> => {
  if (!value || !('text' in value) || value.text.length > 10_000) return {}
  try {
    return numbersOf(untagged(JSON.parse(value.text)))
  } catch {
    // The server takes any text for a value; one that is not JSON has no number.
    return {}
  }
}

const numbersOf = (plain: unknown, path = '', depth = 0): Record<string, number> => {
  if (typeof plain === 'number' && Number.isFinite(plain)) return { [path || 'value']: plain }
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain) || depth > 1) return {}
  const parts = Object.entries(plain).slice(0, 40)
  return Object.assign({}, ...parts.map(([name, part]) => numbersOf(part, path ? `${path}.${name}` : name, depth + 1)))
}

/** Arguments are `{"a": [positional], "k": {named}}`. */
export const parametersIn = (args: Value): Record<string, number> => {
  const { 'a.0': first, ...named } = numbersIn(unwrapped(args))
  return first === undefined ? named : { ...named, argument: first }
}

const unwrapped = (args: Value): Value => {
  if (!('text' in args)) return args
  try {
    const { a = [], k = {} } = untagged(JSON.parse(args.text)) as { a?: unknown[]; k?: object }
    const [first] = a
    const isObject = typeof first === 'object' && first !== null && !Array.isArray(first)
    const positional = isObject ? first : Object.fromEntries(a.map((arg: unknown, i: number) => [`argument ${i}`, arg]))
    return { text: JSON.stringify({ ...(positional as object), ...k }) }
  } catch {
    return { text: 'null' }
  }
}

const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

export const payloadText = (payload: Payload) =>
  payload.kind === 'command'
    ? payload.command.map(quoted).join(' ').slice(0, 300)
    : `${payload.module} : ${payload.export}`
