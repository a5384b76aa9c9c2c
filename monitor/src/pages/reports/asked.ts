import { useLocation, useSearch } from 'wouter'

/** Ranges that go on with time, ms; of another, the first and the last day stand in the address. */
const dayMs = 86_400_000
export const ranges = { day: dayMs, week: 7 * dayMs, month: 31 * dayMs } as const
export type Range = keyof typeof ranges | 'days'

export const groupings = ['user', 'queue', 'site', 'ending', 'cause'] as const
export const steps = ['hour', 'day', 'none'] as const
export type Step = (typeof steps)[number]

/** What a report shows, and what is asked of the server for it. Days are those of the reader. */
export type Asked = { range: Range; first: string; last: string; by: string; step: Step; show: string }

const oneOf = <T extends string>(words: readonly T[], word: string | null): T | undefined =>
  words.find((one) => one === word)

const isDay = (word: string | null): word is string =>
  word !== null && /^[12]\d{3}-\d\d-\d\d$/.test(word) && !Number.isNaN(Date.parse(word))

export const readAsked = (search: URLSearchParams): Asked => {
  const [first, last, by] = [search.get('first'), search.get('last'), search.get('by') ?? '']
  const days = isDay(first) && isDay(last) && first <= last ? { first, last } : undefined
  const range = days ? 'days' : (oneOf(['day', 'week', 'month'], search.get('range')) ?? 'week')
  return {
    range,
    ...(days ?? { first: '', last: '' }),
    by: /^label:[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/.test(by) ? by : (oneOf(groupings, by) ?? 'user'),
    step: oneOf(steps, search.get('step')) ?? (range === 'day' ? 'hour' : 'day'),
    show: search.get('show') ?? 'wallSeconds',
  }
}

export const useAsked = () => {
  const [, go] = useLocation()
  const search = new URLSearchParams(useSearch())
  const change = (words: Partial<Record<keyof Asked, string | undefined>>) => {
    for (const [name, word] of Object.entries(words)) word ? search.set(name, word) : search.delete(name)
    const text = search.toString()
    go(text ? `/reports?${text}` : '/reports', { replace: true })
  }
  return [readAsked(search), change] as const
}

/** From when to when, as of now. */
export const timesOf = ({ range, first, last }: Asked, now = Date.now()): { from: string; to: string } => {
  if (range !== 'days') return { from: at(now - ranges[range]), to: at(now) }
  // Without a zone, a date with a time is one of the reader's.
  const to = Date.parse(`${last}T00:00:00`) + dayMs - 1
  return {
    from: at(Date.parse(`${first}T00:00:00`)),
    to: at(Math.min(to, Math.max(now, Date.parse(`${first}T00:00:00`)))),
  }
}

const at = (ms: number) => new Date(ms).toISOString()
