/**
 * Takes secrets out of what is written down: tokens of Culm, bearers, signatures and passwords in addresses. By their form, wherever they stand, since a list of
 * fields would always lack one; and by the name of the field they stand in, for secrets of any form.
 */
export const scrub = (value: unknown): unknown => scrubbed(value, 0)

/** Deeper than this nothing of ours is; a cycle would have no end. */
const maxDepth = 6

const secretFields =
  /^(authorization|cookie|set-cookie|password|passwd|secret|secrets|token|userToken|pilotToken|databaseUrl|apiKey|signature)$/i

const scrubbed = (value: unknown, depth: number): unknown => {
  if (typeof value === 'string') return scrubText(value)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (depth >= maxDepth) return '…'
  if (value instanceof Error)
    return { type: value.name, message: scrubText(value.message), stack: scrubText(value.stack ?? '') }
  if (Array.isArray(value)) return value.map((item) => scrubbed(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      secretFields.test(key) && item !== null && item !== undefined ? gone : scrubbed(item, depth + 1),
    ]),
  )
}

const gone = '[secret]'

const forms: readonly [RegExp, string][] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, `$1 ${gone}`],
  [/\bc[a-z]_[\w-]{20,}/g, gone],
  [/\bcj\.[\w.-]{20,}/g, gone],
  [/([?&](?:s|sig|signature|token|access_token|key)=)[^&\s"']+/gi, `$1${gone}`],
  [/(#token=)[^&\s"']+/g, `$1${gone}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*:)[^\s@/]+@/gi, `$1${gone}@`],
]

export const scrubText = (text: string): string => forms.reduce((text, [form, to]) => text.replace(form, to), text)
