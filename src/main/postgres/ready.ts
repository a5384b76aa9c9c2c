import pg from 'pg'
import { fault } from '../../contract/faults.ts'
import { sleep } from '../../lib/clock.ts'
import { messageOf } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import { isErrno } from '../homeFault.ts'
import type { Connection } from './connection.ts'
import { postmasterPid } from './orphans.ts'
import type { Postmaster } from './postmaster.ts'

/**
 * How long PostgreSQL may say nothing at all, and how long it may say that it is recovering: up to 8 GB of log, from a
 * slow disk.
 */
const silentMs = 60_000
const recoveringMs = 15 * 60_000

export type ReadyOptions = {
  connection: Connection
  dataDir: string
  postmaster: Postmaster
  log: Log
  signal?: AbortSignal
}

/**
 * Waits until PostgreSQL answers a query in its database, which is made when it is missing. A port or a file that is
 * there says less. An answer counts if it is this postmaster's, and not that of another on the same socket.
 * @returns false when the process has ended instead
 */
export const untilReady = async (of: ReadyOptions): Promise<boolean> => {
  const { connection, dataDir, postmaster, log, signal } = of
  let running = true
  void postmaster.ended.then(() => {
    running = false
  })
  const since = performance.now()
  let told = since
  while (running) {
    signal?.throwIfAborted()
    const answer = await tryQuery(connection)
    if (answer === 'ready' && (await postmasterPid(dataDir)) === postmaster.pid) return true
    if (answer === 'no database') await createDatabase(connection)
    const waitedMs = performance.now() - since
    if (waitedMs > (answer === 'recovering' ? recoveringMs : silentMs)) throw tooLate(answer, waitedMs)
    if (performance.now() - told > 5_000) {
      told = performance.now()
      log.info({ waitedSeconds: Math.round(waitedMs / 1000), answer }, 'waiting for PostgreSQL')
    }
    await sleep(15, signal)
  }
  return false
}

type Answer = 'ready' | 'recovering' | 'silent' | 'no database'

const tryQuery = async (connection: Connection): Promise<Answer> => {
  try {
    await query(connection, 'select 1')
    return 'ready'
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EAGAIN')) return 'silent'
    if (isErrno(error, cannotConnectNow)) return 'recovering'
    if (isErrno(error, databaseUnknown)) return 'no database'
    if (messageOf(error).startsWith('Connection terminated') || /timeout/.test(messageOf(error))) return 'silent'
    throw fault('postgres_failed', `PostgreSQL started and does not let us in: ${messageOf(error)}`, undefined, error)
  }
}

/** SQLSTATEs, PostgreSQL's appendix A. */
const cannotConnectNow = '57P03'
const databaseUnknown = '3D000'

const createDatabase = (connection: Connection): Promise<void> =>
  query({ ...connection, database: 'postgres' }, `create database ${pg.escapeIdentifier(connection.database)}`)

const query = async (connection: Connection, sql: string): Promise<void> => {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(sql)
  } finally {
    await client.end().catch(() => {})
  }
}

const tooLate = (answer: Answer, waitedMs: number) =>
  fault('postgres_failed', `PostgreSQL was still ${answer} after ${Math.round(waitedMs / 1000)} s: its log says more`)
