import { createHash } from 'node:crypto'
import pg from 'pg'
import { backoffMs } from '../lib/backoff.ts'
import { sleep } from '../lib/clock.ts'
import { Fault } from '../lib/fault.ts'
import { makeTurns } from '../lib/turns.ts'
import { arrayLiteral } from './arrayLiteral.ts'

/** int8 and numeric come as text by default; our ids and counts stay below 2^53. */
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

/** A statement: its text with $1, $2 …, and the values for them. Values can only be parameters, so nothing a user sends becomes SQL. */
export type Sql = { text: string; values: unknown[]; name: string }

const prepared = new WeakMap<TemplateStringsArray, { text: string; name: string }>()

/** SQL as SQL: `` sql`select … where id = ${id}` ``. Prepared once per connection under a name made of its text. */
export const sql = (parts: TemplateStringsArray, ...values: unknown[]): Sql => {
  let known = prepared.get(parts)
  if (!known) {
    const text = parts.reduce((text, part, i) => `${text}$${i}${part}`)
    known = { text, name: createHash('sha1').update(text).digest('base64url') }
    prepared.set(parts, known)
  }
  const { text, name } = known
  return { text, name, values: values.map((value) => (Array.isArray(value) ? arrayLiteral(value) : value)) }
}

/** What a query needs: a connection, or a transaction; it does not know which. */
export type Db = {
  /** All rows. */
  rows<Row>(query: Sql): Promise<Row[]>
  /** The only row, or undefined. */
  row<Row>(query: Sql): Promise<Row | undefined>
  /** How many rows were touched. */
  run(query: Sql): Promise<number>
}

export type Database = Db & {
  /** Everything in `act`, or nothing. Repeated from the start after a deadlock or a serialisation failure: `act` must not reach outside. */
  begin<T>(act: (tx: Db) => Promise<T>): Promise<T>
  /** A connection of one's own, for LISTEN; the caller ends it. */
  connect(): Promise<pg.Client>
  /** Connections to the database now, and how many wait for one. */
  connections(): { busy: number; idle: number; waiting: number }
  /** Runs a script of several statements without parameters. */
  script(text: string): Promise<void>
  close(): Promise<void>
}

/**
 * The planner's choices for tables that are full one second and empty the next were the worst decay measured: with statistics of a full
 * table a nested index loop is missed, with those of an empty one a sequential scan is taken. The statements reach their tables by key and join only
 * batch-sized sets, so these switches cost nothing and fix the plans. Planning a statement of ten parts costs more than running it, so a plan is made once
 * per connection and kept (a third off the time of a call, measured).
 */
const planner =
  '-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off -c plan_cache_mode=force_generic_plan'

/**
 * That a connection broke between two statements is told by the next one; heard by nobody, it would end the process. From the first moment: a server that shuts
 * down may say so in the packet that opens the connection, before anybody could listen to it.
 */
const surviveItsEnd = (client: pg.ClientBase): void => {
  client.on('error', () => {})
}

export const openDatabase = (
  config: pg.PoolConfig,
  { connections = 10, prepare = true }: { connections?: number; prepare?: boolean } = {},
): Database => {
  const settings = {
    ...config,
    max: connections,
    options: planner,
    application_name: 'culm',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  }
  const pool = new pg.Pool(settings)
  pool.on('error', () => {
    // An idle connection broke; the pool has dropped it, and the next query opens another.
  })
  pool.on('connect', surviveItsEnd)

  const over = (client: pg.ClientBase | pg.Pool): Db => {
    const askOnce = async (query: Sql) => {
      try {
        return await client.query(prepare ? query : { text: query.text, values: query.values })
      } catch (error) {
        throw translated(error)
      }
    }
    // A statement by itself is a transaction of its own.
    const ask = client === pool ? (query: Sql) => untilItPasses(() => askOnce(query)) : askOnce
    return {
      rows: async (query) => (await ask(query)).rows,
      row: async (query) => (await ask(query)).rows[0],
      run: async (query) => (await ask(query)).rowCount ?? 0,
    }
  }

  // One connection is never held by a transaction: whoever holds one may have to read beside it (what is kept in memory comes through another), and with all
  // connections held so, each would wait for the others until it timed out.
  const turns = makeTurns(Math.max(1, connections - 1))

  const once = async <T>(act: (tx: Db) => Promise<T>): Promise<T> => {
    const client = await pool.connect().catch((error) => {
      throw translated(error)
    })
    let broken: Error | undefined
    const breaks = (error: Error) => {
      broken = error
    }
    client.on('error', breaks)
    try {
      await client.query('begin')
      const value = await act(over(client))
      await client.query('commit')
      return value
    } catch (error) {
      await client.query('rollback').catch((e) => {
        broken = e
      })
      throw translated(error)
    } finally {
      client.off('error', breaks)
      client.release(broken)
    }
  }

  const begin: Database['begin'] = (act) => untilItPasses(() => turns(() => once(act)))

  return {
    ...over(pool),
    begin,
    connect: async () => {
      const client = new pg.Client({ ...settings, application_name: 'culm-bell' })
      surviveItsEnd(client)
      await client.connect()
      return client
    },
    connections: () => ({
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    script: async (text) => {
      await pool.query(text).catch((error) => {
        throw translated(error)
      })
    },
    close: () => pool.end(),
  }
}

/** deadlock_detected, serialization_failure, lock_not_available */
const collisions = new Set(['40P01', '40001', '55P03'])

/**
 * Again after a collision, up to some seconds: who lost one waits longer each time, so that the other, whose locks come one by one, gets through.
 */
const untilItPasses = async <T>(act: () => Promise<T>): Promise<T> => {
  for (let n = 1; ; n++) {
    try {
      return await act()
    } catch (error) {
      const { code } = (error as { cause?: { code?: string } }).cause ?? (error as { code?: string })
      if (n >= 9 || !collisions.has(code ?? '')) throw error
      await sleep(backoffMs(n, { baseMs: 10, maxMs: 1000 }))
    }
  }
}

/** What says that the database is away rather than that the statement is wrong: connection classes, shutdown, too many connections. */
const isAway = (code: string, message: string): boolean =>
  code.startsWith('08') ||
  ['57P01', '57P02', '57P03', '53300', 'ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE'].includes(code) ||
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
    message,
  )

const translated = (error: unknown): unknown => {
  if (error instanceof Fault || !(error instanceof Error)) return error
  const code = String((error as { code?: string }).code ?? '')
  if (isAway(code, error.message)) return new Fault('database_away', 'the database does not answer', { cause: error })
  if (code === '53100') return new Fault('storage_full', 'the disk of the database is full', { cause: error })
  return error
}
