import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { posixStorage } from '../adapters/storage/posix.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type BellKey, type Engine, hearRing, type Limits, makeEngine } from '../services/engine.ts'
import { type Database, openDatabase, sql } from '../store/db.ts'
import { migrate } from '../store/migrate.ts'
import { openWire } from '../store/notify.ts'
import { files } from './files.ts'

/** A database brought to this version, and an engine on it. */
export const openEngine = async ({
  database,
  storageFolder,
  log,
  connections,
  limits,
  clock,
}: {
  database: pg.PoolConfig
  storageFolder: string
  log: Log
  connections?: number
  limits?: Limits
  clock?: Clock
}): Promise<{ engine: Engine; close: () => Promise<void> }> => {
  const db = openDatabase(database, { connections })
  try {
    await migrate(db, files.migrations)
    const wire = openWire(db, {
      self: randomUUID().slice(0, 8),
      hear: (keys) => hearRing(engine, keys as BellKey[], true),
      lost: () => log.warn({}, 'the wire between processes was down; everyone looks for himself'),
    })
    const measured = clock ?? (await databaseClock(db))
    const engine: Engine = await makeEngine({
      db,
      clock: measured,
      log,
      storage: posixStorage(storageFolder),
      randomBytes,
      others: wire,
      limits,
    })
    await engine.lanes.refresh()
    return { engine, close: () => wire.close().then(() => db.close()) }
  } catch (error) {
    await db.close()
    throw error
  }
}

/** The database's clock, by an offset that is measured now and once a minute: all processes on one database agree on the time. */
const databaseClock = async (db: Database): Promise<Clock> => {
  let offsetMs = 0
  const measure = async () => {
    const before = Date.now()
    const row = await db.row<{ now: Date }>(sql`select clock_timestamp() as now`)
    offsetMs = row!.now.getTime() - (before + Date.now()) / 2
  }
  await measure()
  setInterval(() => void measure().catch(() => {}), 60_000).unref()
  return () => new Date(Date.now() + offsetMs)
}
