import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import type { RemoteError } from '../../contract/jobs.ts'

/** The one file that the runner is built into. */
const self = fileURLToPath(import.meta.url)

/** What the caller is told of what a payload threw. */
export const remoteErrorOf = (error: unknown): RemoteError => {
  if (!(error instanceof Error))
    return { type: typeof error, message: typeof error === 'string' ? error : inspect(error) }
  const { name, message } = error
  return { type: name === 'Error' ? error.constructor.name : name, message: String(message), stack: tracebackOf(error) }
}

/** The user's frames, and those of the causes. */
const tracebackOf = (error: Error, depth = 0): string => {
  const lines = String(error.stack ?? error).split('\n')
  const own = lines.filter(
    (line) =>
      !(
        /^\s+at /.test(line) &&
        (line.includes(self) || line.includes('(node:internal/') || line.includes('at node:internal/'))
      ),
  )
  const { cause } = error
  const beneath = cause instanceof Error && depth < 5 ? `\nCaused by: ${tracebackOf(cause, depth + 1)}` : ''
  return own.join('\n') + beneath
}
