/** Changes are drawn no more often than eyes need: what comes meanwhile is gathered. */
const gatheringMs = 250

/** Hands on what comes one by one as lists, each at the beginning of a frame; the first at once. */
export const together = <T>(apply: (all: T[]) => void, signal: AbortSignal) => {
  let waiting: T[] = []
  let handedOnAt = Number.NEGATIVE_INFINITY
  const flush = () => {
    const all = waiting
    waiting = []
    handedOnAt = performance.now()
    if (!signal.aborted) apply(all)
  }
  return (one: T) => {
    if (waiting.push(one) > 1) return
    setTimeout(() => requestAnimationFrame(flush), Math.max(0, handedOnAt + gatheringMs - performance.now()))
  }
}
