import type { Reading } from '../../lib/metrics.ts'
import { nextTimerAt } from '../../store/timers.ts'
import * as store from '../../store/vitals.ts'
import type { Engine } from '../engine/engine.ts'

/** So long what the database said is told again, ms: whoever asks more often than monitors do costs it nothing. */
const keptMs = 2000

/** Lets the gauges of this process read what they show. */
export const readVitals = (engine: Engine): void => {
  const { metrics, db } = engine
  metrics.streams.readBy(() => [[engine.hub.size + engine.viewers.size]])
  metrics.databaseConnections.readBy(() => [
    [db.connections().busy, 'busy'],
    [db.connections().idle, 'idle'],
  ])
  metrics.databaseWaiting.readBy(() => [[db.connections().waiting]])

  const jobs = kept(engine, () => store.jobsByLane(db))
  const pilots = kept(engine, () => store.pilotsByState(db))
  const transaction = kept(engine, () => store.oldestTransaction(db))
  metrics.jobs.readBy(async () => (await jobs()).map((r): Reading => [r.jobs, r.queues.join('+'), r.share, r.state]))
  metrics.pilots.readBy(async () => (await pilots()).map((r): Reading => [r.pilots, r.queue, r.state]))
  metrics.slots.readBy(async () =>
    (await pilots()).filter((r) => r.state === 'online').map((r): Reading => [r.slots, r.queue]),
  )
  metrics.transactionSeconds.readBy(async () => [[(await transaction()).seconds]])
  metrics.horizonTransactions.readBy(async () => [[(await transaction()).behind]])
  metrics.countersWaiting.readBy(async () => [[await store.unfoldedDeltas(db, 10_000)]])
  metrics.timersLagSeconds.readBy(async () => {
    const at = await nextTimerAt(db)
    return [[at ? Math.max(0, (engine.clock().getTime() - at.getTime()) / 1000) : 0]]
  })
}

/** One reading for all who ask within `keptMs`. */
const kept = <T>(engine: Engine, read: () => Promise<T>): (() => Promise<T>) => {
  let last: { at: number; value: Promise<T> } | undefined
  return () => {
    const now = engine.clock().getTime()
    if (!last || now - last.at > keptMs) last = { at: now, value: read() }
    return last.value
  }
}
