import { fault } from '../../contract/faults.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { sleep } from '../../lib/clock.ts'
import { messageOf } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Postmaster } from './postmaster.ts'

/** This many starts in a row may fail, or end within a minute, before it is left alone. */
const maxStarts = 5
const steadyMs = 60_000

export type Supervised = { readonly pid: number; readonly failed: Promise<unknown>; stop(): Promise<void> }

/**
 * Keeps a postmaster running: one that ends by itself (killed for want of memory, say) is launched again, until `stop`.
 */
export const supervise = (
  first: Postmaster,
  launch: (signal: AbortSignal) => Promise<Postmaster>,
  log: Log,
): Supervised => {
  const stopping = new AbortController()
  let current = first

  const relaunch = async (): Promise<Postmaster | undefined> => {
    for (let n = 1; ; n += 1) {
      await sleep(backoffMs(n, { baseMs: 50, maxMs: 2_000 }), stopping.signal)
      if (stopping.signal.aborted) return undefined
      try {
        return await launch(stopping.signal)
      } catch (error) {
        if (stopping.signal.aborted) return undefined
        log.error({ error: messageOf(error), n }, 'PostgreSQL could not be started again')
        if (n >= maxStarts) throw error
      }
    }
  }

  const watch = async (): Promise<void> => {
    for (let starts = 1; ; ) {
      const startedAt = performance.now()
      const how = await current.ended
      if (stopping.signal.aborted) return
      log.error({ how }, 'PostgreSQL ended by itself; starting it again')
      starts = performance.now() - startedAt > steadyMs ? 1 : starts + 1
      if (starts > maxStarts) throw fault('postgres_failed', `PostgreSQL ended ${maxStarts} times in a row (${how})`)
      const next = await relaunch()
      if (!next) return
      current = next
    }
  }

  const watched = watch()
  return {
    get pid() {
      return current.pid
    },
    failed: new Promise((resolve) => watched.catch(resolve)),
    stop: async () => {
      stopping.abort()
      await current.stop()
      await watched.catch(() => {})
      await current.stop() // one that was launched at the same moment
    },
  }
}
