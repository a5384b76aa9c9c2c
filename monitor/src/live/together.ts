/** So long changes are gathered: they are drawn together, and no more often than eyes need. */
const gatheringMs = 80

/** Hands on what comes one by one as lists, each at the beginning of a frame. */
export const together = <T>(apply: (all: T[]) => void, signal: AbortSignal) => {
  let waiting: T[] = []
  const flush = () => {
    const all = waiting
    waiting = []
    if (!signal.aborted) apply(all)
  }
  return (one: T) => {
    if (waiting.push(one) === 1) setTimeout(() => requestAnimationFrame(flush), gatheringMs)
  }
}
