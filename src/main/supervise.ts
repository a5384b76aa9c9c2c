import { backoffMs } from '../lib/backoff.ts'
import { sleep } from '../lib/clock.ts'

/** This many starts in a row may fail, or end within a minute, before it is left alone. */
const maxStarts = 5
const steadyMs = 60_000

/** A process that is kept; `ended` says in words how it ended. */
export type Kept = { readonly pid: number; readonly ended: Promise<string>; stop(): Promise<void> }

export type Supervised = { readonly pid: number; readonly failed: Promise<unknown>; stop(): Promise<void> }

/** What is said of it, and what it fails with once it is left alone. */
export type Words = {
  endedByItself(how: string): void
  notStarted(error: unknown, times: number): void
  leftAlone(how: string, times: number): Error
}

/** Keeps a process running: one that ends by itself (killed for want of memory, say) is launched again, until `stop`. */
export const supervise = (
  first: Kept,
  launch: (signal: AbortSignal) => Promise<Kept>,
  { endedByItself, notStarted, leftAlone }: Words,
): Supervised => {
  const stopping = new AbortController()
  let current = first

  const relaunch = async (): Promise<Kept | undefined> => {
    for (let n = 1; ; n += 1) {
      await sleep(backoffMs(n, { baseMs: 50, maxMs: 2_000 }), stopping.signal)
      if (stopping.signal.aborted) return undefined
      try {
        return await launch(stopping.signal)
      } catch (error) {
        if (stopping.signal.aborted) return undefined
        notStarted(error, n)
        if (n >= maxStarts) throw error
      }
    }
  }

  const watch = async (): Promise<void> => {
    for (let starts = 1; ; ) {
      const startedAt = performance.now()
      const how = await current.ended
      if (stopping.signal.aborted) return
      starts = performance.now() - startedAt > steadyMs ? 1 : starts + 1
      if (starts > maxStarts) throw leftAlone(how, maxStarts)
      endedByItself(how)
      const next = await relaunch()
      if (!next) return
      current = next
      if (stopping.signal.aborted) return // `stop` ends it
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
      await current.stop() // what was launched at the same moment
    },
  }
}
