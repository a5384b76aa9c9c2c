/** Where time comes from. The server's is the database's clock, measured once a minute; tests have their own. */
export type Clock = () => Date

export const systemClock: Clock = () => new Date()

/** A sleep that ends early when `signal` does; it never rejects, since waking early is an ordinary thing. */
export const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const wake = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    signal?.addEventListener('abort', wake, { once: true })
  })
