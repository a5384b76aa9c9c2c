/**
 * A named bell: who waits is woken by who rings, or by the end of his own time. Waiting never misses a ring that came after `arm`:
 * arm the bell, look whether there is work, and only then wait on what `arm` gave.
 */
export class Bell<Key> {
  #waiting = new Map<Key, Set<() => void>>()

  /** Rings for everyone who armed `key`. */
  ring(key: Key): void {
    const wakes = this.#waiting.get(key)
    if (!wakes) return
    this.#waiting.delete(key)
    for (const wake of wakes) wake()
  }

  /** Resolves at the next ring of any of `keys`; call `cancel` when you no longer wait. */
  arm(keys: readonly Key[]): { rung: Promise<void>; cancel: () => void } {
    let wake = () => {}
    const rung = new Promise<void>((resolve) => {
      wake = resolve
    })
    for (const key of keys) {
      const wakes = this.#waiting.get(key) ?? new Set()
      wakes.add(wake)
      this.#waiting.set(key, wakes)
    }
    const cancel = () => {
      for (const key of keys) {
        const wakes = this.#waiting.get(key)
        wakes?.delete(wake)
        if (wakes?.size === 0) this.#waiting.delete(key)
      }
      wake()
    }
    return { rung, cancel }
  }
}

/** Waits for the bell, the time, or the end, whichever comes first; it never rejects. */
export type Wait = (rung: Promise<void> | null, ms: number, signal: AbortSignal) => Promise<void>

export const rungOrLater: Wait = (rung, ms, signal) =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
    void rung?.then(done)
  })
