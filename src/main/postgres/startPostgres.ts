import { join } from 'node:path'
import { fault } from '../../contract/faults.ts'
import { messageOf } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import { homeFault } from '../homeFault.ts'
import { supervise, type Words } from '../supervise.ts'
import { findBinaries } from './binaries.ts'
import { openCluster } from './cluster.ts'
import { type Connection, connectionOf, urlOf } from './connection.ts'
import { endOrphans } from './orphans.ts'
import { choosePlace } from './place.ts'
import { launchPostmaster } from './postmaster.ts'
import { chooseRunAs, type RunAs } from './runAs.ts'
import { writeSettings } from './settings.ts'
import { chooseSocketFolder } from './socketFolder.ts'

export type PostgresOptions = {
  /** The data home. One process at a time may start PostgreSQL in it: hold its lock (`claimHome`). */
  home: string
  log: Log
  /** Gives up a start that is under way; a PostgreSQL that has started is ended by `stop` alone. */
  signal?: AbortSignal
  /**
   * `false` is for tests: what is acknowledged survives the death of processes, and not a loss of power. Default true.
   */
  durable?: boolean
  /** The folder of the cluster, made when missing. Default: `pg/data` in the home. */
  dataDir?: string
  /** As whom PostgreSQL runs. Default: what `chooseRunAs` finds to work here. */
  runAs?: RunAs
  env?: NodeJS.ProcessEnv
}

/**
 * A running PostgreSQL. One that dies is started again at the same address, so that pools of connections only
 * reconnect.
 */
export type Postgres = {
  /** For `new pg.Pool(connection)`; `host` is the folder of the socket. */
  readonly connection: Connection
  /** The same as a URL for `pg`, libpq and psycopg; it has the password in it. */
  readonly url: string
  /** Of PostgreSQL, such as `18.4`. */
  readonly version: string
  /** The process id of the postmaster; another one after it was started again. */
  readonly pid: number
  /** Resolves with the fault when PostgreSQL died and could not be brought back, and never otherwise. */
  readonly failed: Promise<unknown>
  /** Ends PostgreSQL: in order if it can be, by force if it must be. Safe to repeat. */
  stop(): Promise<void>
}

/**
 * Starts the embedded PostgreSQL of a home and waits until it answers; makes the cluster and the database `culm` when
 * they are missing. It listens on a unix socket alone. When this process ends, however it ends, PostgreSQL shuts down
 * (`leash.ts`), and what outlived even that is ended by the next start (`orphans.ts`).
 * @throws `postgres_missing`, `postgres_failed`, `home_disk_full`, `home_too_old`, `home_path_too_long`,
 * `home_not_writable`.
 */
export const startPostgres = async (options: PostgresOptions): Promise<Postgres> => {
  try {
    return await start(options)
  } catch (error) {
    throw homeFault(options.home, error)
  }
}

const start = async (options: PostgresOptions): Promise<Postgres> => {
  const { home, log, signal, durable = true, dataDir = join(home, 'pg', 'data'), env = process.env } = options
  const runAs = options.runAs ?? (await chooseRunAs(dataDir))
  const place = await choosePlace({ home, dataDir, runAs, log })
  const binaries = await findBinaries({ runAs, copyTo: place.binariesDir, log })
  const socketFolder = await chooseSocketFolder({ dataDir: place.dataDir, runAs, env })
  await endOrphans(place.dataDir, socketFolder, log)
  const password = await openCluster({ place, binaries, runAs, durable, log, signal })
  const connection = connectionOf(socketFolder, password)

  const launch = async (untilAborted?: AbortSignal) => {
    await writeSettings({ place, runAs, durable })
    return launchPostmaster({ place, binaries, runAs, connection, log, signal: untilAborted })
  }
  const supervised = supervise(await launch(signal), launch, wordsIn(log))
  return Object.assign(supervised, { connection, url: urlOf(connection), version: binaries.version })
}

const wordsIn = (log: Log): Words => ({
  endedByItself: (how) => log.error({ how }, 'PostgreSQL ended by itself; starting it again'),
  notStarted: (error, n) => log.error({ error: messageOf(error), n }, 'PostgreSQL could not be started again'),
  leftAlone: (how, times) => fault('postgres_failed', `PostgreSQL ended ${times} times in a row (${how})`),
})
