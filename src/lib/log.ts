/** The part of a pino logger that the product uses; so a test can pass a silent one. */
export type Log = {
  debug(data: object, message?: string): void
  info(data: object, message?: string): void
  warn(data: object, message?: string): void
  error(data: object, message?: string): void
  /** Whether lines of that level are written; all of them when it does not say. */
  isLevelEnabled?(level: 'debug' | 'info'): boolean
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
