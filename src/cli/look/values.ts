import { inspect } from 'node:util'
import type { Value } from '../../contract/base.ts'
import { decodeValue } from '../../contract/values.ts'
import type { Style } from './style.ts'
import { plainText } from './textWidth.ts'

/** A value as people read it: text as it is, everything else as Node shows it. */
export const showValue = (value: unknown, { colors, columns }: Style): string =>
  typeof value === 'string'
    ? value
    : inspect(value, {
        colors: colors.isColorSupported,
        depth: 6,
        maxArrayLength: 100,
        maxStringLength: 10_000,
        breakLength: Number.isFinite(columns) ? columns : 100,
      })

/** A value as it travels. What is stored apart is only named, and what cannot be decoded here is shown as its text. */
export const showSent = (value: Value, style: Style): string => {
  if ('blob' in value) return `(${megabytes(value.bytes / 1e6)}, stored as ${value.blob.slice(0, 12)})`
  const shown = decoded(value.text)
  return typeof shown === 'string' ? plainText(shown) : showValue(shown, style)
}

/** For `--json`: the value with the tags of what JSON lacks, or the place where it is stored. */
export const jsonOf = (value: Value): unknown =>
  'text' in value ? JSON.parse(value.text) : { $culm: 'stored', v: value }

/** The arguments of a job as they would be written: `3, "a", scale=2`. */
export const showArguments = (value: Value, style: Style): string => {
  if ('blob' in value) return showSent(value, style)
  const { a = [], k = {} } = (decoded(value.text) ?? {}) as { a?: unknown[]; k?: Record<string, unknown> }
  const one = (arg: unknown) =>
    inspect(arg, { depth: 2, maxArrayLength: 6, maxStringLength: 200, breakLength: Number.POSITIVE_INFINITY })
  return [...a.map(one), ...Object.entries(k).map(([name, arg]) => `${name}=${one(arg)}`)].join(', ')
}

/** 10^6 bytes, or 10^9: `812 MB`, `1.3 GB`. */
export const megabytes = (mb: number): string => {
  if (mb >= 1000) return `${(mb / 1000).toFixed(1)} GB`
  return mb >= 10 ? `${Math.round(mb)} MB` : `${mb.toFixed(1)} MB`
}

const decoded = (text: string): unknown => {
  try {
    return decodeValue(text)
  } catch {
    return text
  }
}
