/**
 * What was printed, and by whom. A job's mark is written when it printed, when it took long enough for native code to have printed, or when no other follows;
 * those of short silent ones before it need none.
 */
export const marks = (() => {
  let missing: string | null = null
  let printed = false
  return {
    /** A job prints: what the ones before it printed, if anything, ends here. */
    words: () => {
      printed = true
      if (missing === null) return
      const mark = missing
      missing = null
      for (const stream of [process.stdout, process.stderr]) stream.write(mark)
    },
    ended: (mark: string, isDue: boolean) => {
      missing = mark
      if (isDue || printed) marks.words()
      printed = false
    },
  }
})()

export const markBeforeWords = (stream: NodeJS.WriteStream) => {
  const write = stream.write.bind(stream) as (...words: unknown[]) => boolean
  stream.write = ((...words: unknown[]) => {
    marks.words()
    return write(...words)
  }) as typeof stream.write
}

/**
 * Between Node processes a pipe is a socket, which Node writes to when it gets round to it; `process.exit` would lose what waits (9.7 of 10 MB, measured).
 * Blocking writes lose nothing, and hold up who prints faster than the pilot reads.
 */
export const writeAtOnce = (stream: NodeJS.WriteStream) => {
  const { _handle: handle } = stream as unknown as { _handle?: { setBlocking?(on: boolean): void } }
  handle?.setBlocking?.(true)
}
