import { join } from 'node:path'
import pino from 'pino'
import type { Log } from '../lib/log.ts'

/** Structured lines: to a file of the home while a person looks at the terminal, to standard error where nobody does. */
export const fileLog = (home: string, name: string): Log =>
  pino(
    { base: { pid: process.pid } },
    pino.destination({ dest: join(home, 'logs', `${name}.log`), mkdir: true, sync: false }),
  )

export const stderrLog = (): Log => pino({ base: { pid: process.pid } }, pino.destination({ dest: 2, sync: true }))
