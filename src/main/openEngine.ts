import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { posixStorage } from '../adapters/storage/posix.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Tracer } from '../lib/trace.ts'
import type { SecretKeys } from '../ports/secretKeys.ts'
import { type BellKey, type Engine, hearRing, type Limits, makeEngine } from '../services/engine/engine.ts'
import type { ServerMetrics } from '../services/engine/metrics.ts'
import { readVitals } from '../services/views/vitals.ts'
import { openDatabase, sql } from '../store/db.ts'
import { appliedMigrations, migrate } from '../store/migrate.ts'
import { openWire, type Wire } from '../store/notify.ts'
import { type Passing, passingDatabase } from './crashPoints.ts'
import { databaseClock } from './databaseClock.ts'
import { files } from './files.ts'

/** A database brought to this version, and an engine on it. */
export const openEngine = async ({
  id,
  database,
  storageFolder,
  log,
  connections,
  limits,
  clock,
  passing,
  secretKeys,
  metrics,
  tracer,
}: {
  /** Which server this is: see `Engine`; a new one when left out. */
  id?: string
  database: pg.PoolConfig
  storageFolder: string
  log: Log
  connections?: number
  limits?: Limits
  clock?: Clock
  passing?: Passing
  secretKeys?: SecretKeys
  metrics?: ServerMetrics
  tracer?: Tracer
}): Promise<{ engine: Engine; close: () => Promise<void> }> => {
  const db = passingDatabase(openDatabase(database, { connections }), passing)
  let opened: Engine | undefined
  let wire: Wire | undefined
  /** Left open, the wire would connect again and again, and keep a process alive that has said that it ends. */
  const close = async () => {
    await wire?.close()
    await db.close()
  }
  try {
    await migrate(db, files.migrations)
    wire = openWire(db, {
      self: randomUUID().slice(0, 8),
      // Others may ring before this process has an engine: then there is nothing in memory that could be out of date.
      hear: (keys) => opened && hearRing(opened, keys as BellKey[], true),
      lost: () => log.warn({}, 'the wire between processes was down; everyone looks for himself'),
    })
    const askTime = async () => (await db.row<{ now: Date }>(sql`select clock_timestamp() as now`))!.now
    const measured = clock ?? (await databaseClock(askTime))
    const engine: Engine = await makeEngine({
      id,
      db,
      clock: measured,
      log,
      storage: posixStorage(storageFolder),
      randomBytes,
      others: wire,
      limits,
      secretKeys,
      metrics,
      tracer,
      migrations: await appliedMigrations(db),
    })
    opened = engine
    readVitals(engine)
    await engine.lanes.refresh()
    return { engine, close }
  } catch (error) {
    await close()
    throw error
  }
}
