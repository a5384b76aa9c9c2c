import { join } from 'node:path'
import pino, { type DestinationStream } from 'pino'
import { fault } from '../contract/faults.ts'
import type { Log } from '../lib/log.ts'
import { scrub } from '../lib/scrub.ts'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** By `--log-level`, else `CULM_LOG`, else `info`: what happens now and then, what was refused, and what went wrong; `debug` has a line for each request. */
export const logLevel = (env: NodeJS.ProcessEnv, given?: string): LogLevel => {
  const level = given ?? env.CULM_LOG ?? 'info'
  if (!(logLevels as readonly string[]).includes(level))
    throw fault('invalid_input', `"${level}" is no level of the log: ${logLevels.join(', ')}`)
  return level as LogLevel
}

/** Lines of JSON, without secrets: to a file of the home while a person looks at the terminal, to standard error where nobody does. */
export const fileLog = (home: string, name: string, level: LogLevel): Log =>
  log(level, pino.destination({ dest: join(home, 'logs', `${name}.log`), mkdir: true, sync: false }))

export const stderrLog = (level: LogLevel): Log => log(level, pino.destination({ dest: 2, sync: true }))

export const log = (level: LogLevel, to: DestinationStream): Log =>
  pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }), log: (line) => scrub(line) as Record<string, unknown> },
    },
    to,
  )
