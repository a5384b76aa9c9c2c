import type { RemoteError, Usage } from '../contract/jobs.ts'
import type { Report } from '../contract/pilots.ts'
import { isFault, messageOf } from '../lib/fault.ts'

type Cause = NonNullable<Report['cause']>

/** How an attempt ended here: what its last report says. `dropped`: it is no longer ours, and nothing is reported. */
export type Outcome =
  | { what: 'finished'; value: NonNullable<Report['value']>; usage?: Usage }
  | { what: 'deferred'; until: NonNullable<Report['until']>; usage?: Usage }
  | Failed
  | { what: 'cancelled' | 'returned' | 'dropped' }

export type Failed = {
  what: 'failed'
  cause: Cause
  error: RemoteError
  exitCode?: number
  signal?: string
  usage?: Usage
}

/** Thrown on the way to a payload's start or from its result to the server: what was meant to be done cannot be, and who is to blame. */
export class Failure extends Error {
  readonly blamed: Cause
  readonly type: string

  constructor(blamed: Cause, type: string, message: string) {
    super(message)
    this.name = 'Failure'
    this.blamed = blamed
    this.type = type
  }
}

/** Thrown by who did nothing wrong and cannot go on here: its job is given back, and the attempt does not count. */
export class GivenBack extends Error {}

/** What nobody foresaw is blamed on the place: its disk, its limits, or this program. */
export const failedBy = (error: unknown): Failed | { what: 'returned' } => {
  if (error instanceof GivenBack) return { what: 'returned' }
  if (error instanceof Failure) return failed(error.blamed, error.type, error.message)
  if (isFault(error)) return failed('storage', error.code, error.message)
  return failed('site', (error as NodeJS.ErrnoException)?.code ?? 'Error', messageOf(error))
}

export const failed = (cause: Cause, type: string, message: string, stack?: string): Failed => ({
  what: 'failed',
  cause,
  error: remoteErrorOf({ type, message, stack }),
})

/**
 * Cut to what the contract allows, and free of what the database's text cannot hold (NUL, lone surrogates): a strange error text must not keep
 * the report of its own failure from being registered.
 */
export const remoteErrorOf = ({
  type,
  message,
  stack,
}: {
  type: string
  message: string
  stack?: string
}): RemoteError => ({
  type: storable(type).slice(0, 200) || 'Error',
  message: storable(cutMiddle(message, 10_000)),
  ...(stack ? { stack: storable(cutMiddle(stack, 100_000)) } : {}),
})

export const storable = (text: string): string => Buffer.from(text.replaceAll('\0', '\u2400')).toString()

/** Both ends of an error text say most. */
const cutMiddle = (text: string, max: number): string => {
  if (text.length <= max) return text
  const half = Math.floor((max - 20) / 2)
  return `${text.slice(0, half)}\n… (cut) …\n${text.slice(-half)}`
}
