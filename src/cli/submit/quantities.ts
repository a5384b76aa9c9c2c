import { InvalidArgumentError } from 'commander'
import type { WantedSecret } from '../../contract/secrets.ts'

/** `2GB`, `512 MB`, `1.5GiB` → MB (10^6 bytes), rounded up; a plain number is in MB. */
export const parseMemoryMb = (text: string): number => {
  const [, number, unit = 'mb'] = /^(\d+(?:\.\d+)?)\s*([kmgt]i?b?)?$/i.exec(text.trim()) ?? []
  const bytes = bytesIn[unit.toLowerCase().replace(/b$/, '')]
  if (number === undefined || bytes === undefined) throw new InvalidArgumentError('Write it as 2GB, 512MB or 1.5GiB.')
  return atLeastOne((Number(number) * bytes) / 1e6, 'at least 1 MB')
}

const bytesIn: Record<string, number> = {
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
}

/** `90s`, `10m`, `2h`, `1h30m`, `1d` → s; a plain number is in seconds. */
export const parseSeconds = (text: string): number => {
  const compact = text.replace(/\s+/g, '')
  if (/^\d+$/.test(compact)) return atLeastOne(Number(compact), 'at least 1 s')
  if (!/^(\d+(\.\d+)?[dhms])+$/i.test(compact)) throw new InvalidArgumentError('Write it as 90s, 10m, 2h or 1h30m.')
  const parts = [...compact.matchAll(/(\d+(?:\.\d+)?)([dhms])/gi)]
  return atLeastOne(
    parts.reduce((sum, [, number, unit]) => sum + Number(number) * secondsIn[unit!.toLowerCase()]!, 0),
    'at least 1 s',
  )
}

const secondsIn: Record<string, number> = { d: 86_400, h: 3600, m: 60, s: 1 }

/** The rounding first takes off what binary fractions add: 1.1 GB are 1100 MB, not 1101. */
const atLeastOne = (n: number, what: string): number => {
  const whole = Math.ceil(Number(n.toFixed(6)))
  if (whole < 1) throw new InvalidArgumentError(`It must be ${what}.`)
  return whole
}

/** A whole number from `least` on. */
export const parseWhole =
  (least: number) =>
  (text: string): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new InvalidArgumentError(`It must be a whole number from ${least} on.`)
    return Number(text)
  }

type Attempts = Partial<Record<'user' | 'memory' | 'walltime' | 'runner' | 'site' | 'lost', number>>

/** `3` → so many by the user's own errors; `user=3,lost=9` → by cause. */
export const parseAttempts = (text: string): Attempts => {
  if (/^\d+$/.test(text)) return { user: parseWhole(1)(text) }
  const parts = text.split(',').map((part) => /^(user|memory|walltime|runner|site|lost)=(\d+)$/.exec(part))
  if (parts.some((part) => part === null)) throw new InvalidArgumentError('Write it as 3, or as user=3,site=5,lost=9.')
  return Object.fromEntries(parts.map((part) => [part![1], parseWhole(1)(part![2]!)]))
}

/** Repeated `NAME=VAR` → the secrets that jobs get as variables. */
export const parseSecret = (text: string, before: WantedSecret[] = []): WantedSecret[] => {
  const [, name, env] = /^([^=]+)=([A-Za-z_]\w*)$/.exec(text) ?? []
  if (!name || !env) throw new InvalidArgumentError('Write it as name-of-the-secret=VARIABLE.')
  return [...before, { name, env }]
}

/** Repeated `NAME=FILE` or `NAME=FILE:VAR` → those that jobs get as files. */
export const parseSecretFile = (text: string, before: WantedSecret[] = []): WantedSecret[] => {
  const [, name, file, env] = /^([^=]+)=([^:/]+)(?::([A-Za-z_]\w*))?$/.exec(text) ?? []
  if (!name || !file) throw new InvalidArgumentError('Write it as name-of-the-secret=file or name=file:VARIABLE.')
  return [...before, { name, file, ...(env ? { env } : {}) }]
}

/** Repeated `k=v` → one object. */
export const parseLabel = (text: string, before: Record<string, string> = {}): Record<string, string> => {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Write it as name=value.')
  return { ...before, [key]: value }
}
