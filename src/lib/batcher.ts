/**
 * Combines what arrives together into one call. Nothing waits when nothing is in flight: the first item goes alone, at once; what comes
 * while `run` is busy goes together when a lane is free. So a lone call pays no delay, and a crowd pays one transaction.
 *
 * `run` answers one outcome per item, in order. When it throws, the batch is halved and tried again, down to the single item that spoils it:
 * one bad item fails alone. (`run` must therefore be all or nothing, as a transaction is.)
 */
export type Batcher<In, Out> = (item: In) => Promise<Out>

export const makeBatcher = <In, Out>({
  run,
  maxItems,
  lanes = 1,
  weightOf = () => 1,
  watch,
}: {
  run: (items: In[]) => Promise<Out[]>
  maxItems: number
  /** How many batches may be in flight at once. */
  lanes?: number
  /** How much of `maxItems` an item takes. */
  weightOf?: (item: In) => number
  /** Told of each batch as it starts: how many items it has, and how long the first of them has waited, s. */
  watch?: (items: number, waitSeconds: number) => void
}): Batcher<In, Out> => {
  type Waiting = { item: In; sinceMs: number; resolve: (out: Out) => void; reject: (error: unknown) => void }
  let waiting: Waiting[] = []
  let busy = 0

  const takeBatch = (): Waiting[] => {
    let weight = 0
    let n = 0
    while (n < waiting.length && (n === 0 || weight + weightOf(waiting[n]!.item) <= maxItems))
      weight += weightOf(waiting[n++]!.item)
    const batch = waiting.slice(0, n)
    waiting = waiting.slice(n)
    watch?.(n, (performance.now() - batch[0]!.sinceMs) / 1000)
    return batch
  }

  const runBatch = async (batch: Waiting[]): Promise<void> => {
    try {
      const outs = await run(batch.map((w) => w.item))
      batch.forEach((w, i) => {
        w.resolve(outs[i]!)
      })
    } catch (error) {
      if (batch.length === 1) return batch[0]!.reject(error)
      const half = batch.length >> 1
      await runBatch(batch.slice(0, half))
      await runBatch(batch.slice(half))
    }
  }

  const pump = () => {
    while (busy < lanes && waiting.length > 0) {
      busy++
      void runBatch(takeBatch()).finally(() => {
        busy--
        pump()
      })
    }
  }

  return (item) =>
    new Promise<Out>((resolve, reject) => {
      waiting.push({ item, sinceMs: watch ? performance.now() : 0, resolve, reject })
      pump()
    })
}
