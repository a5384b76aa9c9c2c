import { count, rounded } from './numbers.ts'

/** Each unit holds below so many ms. */
const units = [
  { below: 1000, ms: 1, word: 'ms' },
  { below: 100_000, ms: 1000, word: 's' },
  { below: 6e6, ms: 60_000, word: 'min' },
  { below: 172.8e6, ms: 3.6e6, word: 'h' },
  { below: Number.POSITIVE_INFINITY, ms: 86.4e6, word: 'd' },
]

export const duration = (ms: number) => {
  const { ms: unit, word } = units.find(({ below }) => ms < below)!
  return `${(Math.max(0, ms) / unit).toFixed(word === 's' && ms < 10_000 ? 1 : 0)} ${word}`
}

export const between = (from: string, to: string | null | undefined, now = Date.now()) =>
  duration((to ? Date.parse(to) : now) - Date.parse(from))

export const ago = (at: string, now = Date.now()) => {
  const ms = now - Date.parse(at)
  return ms < 5000 ? 'just now' : `${duration(ms)} ago`
}

/** In hours; what is less than one, as people say it. */
export const hours = (seconds: number) => {
  if (seconds > 0 && seconds < 3600) return duration(seconds * 1000)
  const n = seconds / 3600
  return `${n >= 100 ? count(Math.round(n)) : rounded(Number(n.toPrecision(3)))} h`
}
