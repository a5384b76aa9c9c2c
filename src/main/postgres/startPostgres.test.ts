import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { access, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { silentLog } from '../../lib/log.ts'
import { postmasterPid, postmastersByCommand, processesOf } from './orphans.ts'
import { chooseRunAs } from './runAs.ts'
import { type Postgres, type PostgresOptions, startPostgres } from './startPostgres.ts'

const root = process.geteuid?.() === 0
let folder: string
/** A home whose cluster exists, made beside the remains of a killed initdb. Each test leaves it stopped. */
let home: string
let running: Postgres | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-postgres-'))
  home = join(folder, 'home')
  await mkdir(join(home, 'pg', 'data.new', 'base'), { recursive: true })
  await writeFile(join(home, 'pg', 'data.new', 'PG_VERSION'), '18\n')
  const first = await startPostgres({ home, log: silentLog, durable: false })
  await first.stop()
}, 30_000)
afterEach(async () => {
  await running?.stop()
  running = undefined
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const start = async (options: Partial<PostgresOptions> = {}): Promise<Postgres> => {
  running = await startPostgres({ home, log: silentLog, durable: false, ...options })
  return running
}

const query = async (
  sql: string,
  connection: string | object = running?.url ?? '',
): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client(typeof connection === 'string' ? { connectionString: connection } : connection)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const eventually = (check: () => Promise<unknown>) => vi.waitFor(check, { timeout: 10_000, interval: 20 })
const nothingRuns = (dataDir: string) => eventually(async () => expect(await processesOf(dataDir)).toEqual([]))

/** Another Node process that starts PostgreSQL in the home, says so, and stays. */
const startElsewhere = async (): Promise<{ kill(): Promise<void> }> => {
  const modules = ['./startPostgres.ts', '../../lib/log.ts'].map((path) => new URL(path, import.meta.url).href)
  const program = `
    const [{ startPostgres }, { silentLog }] = await Promise.all(${JSON.stringify(modules)}.map((module) => import(module)))
    await startPostgres({ home: ${JSON.stringify(home)}, log: silentLog, durable: false })
    console.log('started')
    setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    kill: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** The processes whose command line, with its arguments ended by zeros, has `text` in it. */
const processesWith = async (text: string): Promise<number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_, i) => lines[i]?.includes(text)).map(Number)
}

describe('a PostgreSQL that was started', () => {
  test('answers in its own database, by its connection and by its URL, as Culm wants it set up', async () => {
    const { connection, url } = await start()
    const sql = `select current_database() as database, current_user as user, datlocprovider::text as provider, datlocale as locale,
      pg_encoding_to_char(encoding) as encoding, current_setting('data_checksums') as checksums, current_setting('listen_addresses') as addresses,
      current_setting('autovacuum_naptime') as naptime, 'B' < 'a' and 'z' < 'é' as by_code_point, upper('é') as upper
      from pg_database where datname = current_database()`
    const expected = {
      database: 'culm',
      user: 'culm',
      provider: 'b',
      locale: 'C.UTF-8',
      encoding: 'UTF8',
      checksums: 'on',
      addresses: '',
      naptime: '5s',
      by_code_point: true,
      upper: 'É',
    }
    expect(await query(sql, url)).toEqual([expected])
    expect(await query(sql, connection)).toEqual([expected])
  })

  test('is closed to other users and to the network, and asks for the password', async () => {
    const { connection, pid } = await start()
    expect((await stat(connection.host)).mode & 0o077).toBe(0)
    expect((await stat(join(home, 'pg', 'data', 'culm.password'))).mode & 0o077).toBe(0)
    await expect(query('select 1', { ...connection, password: 'guess' })).rejects.toMatchObject({ code: '28P01' })
    const toNetwork = createConnection({ host: '127.0.0.1', port: connection.port })
    await expect(once(toNetwork, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).not.toContain(connection.password)
  })

  test('keeps its rows and its password over a stop and a start', async () => {
    const { connection, stop } = await start()
    await query('create table if not exists kept as select 42 as answer')
    await stop()
    await stop()
    await nothingRuns(join(home, 'pg', 'data'))
    expect(await postmasterPid(join(home, 'pg', 'data'))).toBeUndefined()
    expect((await start()).connection).toEqual(connection)
    expect(await query('select answer from kept')).toEqual([{ answer: 42 }])
  })

  test.runIf(existsSync('/bin/ps'))('is found by its command line where there is no /proc', async () => {
    const { pid } = await start()
    expect(await postmastersByCommand(join(home, 'pg', 'data'))).toEqual([pid])
    expect(await postmastersByCommand(join(home, 'pg', 'dat'))).toEqual([])
  })

  test('logs into the home', async () => {
    await start()
    await query('select 1 / 0').catch(() => {})
    const [{ file }] = (await query('select pg_current_logfile() as file')) as [{ file: string }]
    expect(file.startsWith(join(home, 'logs'))).toBe(true)
    await eventually(async () => expect(await readFile(file, 'utf8')).toContain('division by zero'))
  })
})

describe('whatever is killed', () => {
  test('a killed postmaster comes back at the same address with what was committed, though a query was running', async () => {
    const postgres = await start()
    const { pid } = postgres
    await query('drop table if exists survives; create table survives as select 7 as n')
    const busy = query('select count(*) from generate_series(1, 10000000000)').catch((error) => error)
    await eventually(async () =>
      expect(await query(`select from pg_stat_activity where query like 'select count(*) from gen%'`)).toHaveLength(1),
    )
    process.kill(pid, 'SIGKILL')
    expect(await busy).toBeInstanceOf(Error)
    await eventually(async () => expect(postgres.pid).not.toBe(pid))
    expect(await query('select n from survives')).toEqual([{ n: 7 }])
  }, 15_000)

  test('a killed parent takes PostgreSQL with it, by an orderly shutdown', async () => {
    const elsewhere = await startElsewhere()
    const dataDir = join(home, 'pg', 'data')
    expect(await processesOf(dataDir)).not.toEqual([])
    await elsewhere.kill()
    await nothingRuns(dataDir)
    await eventually(async () => expect(await postmasterPid(dataDir)).toBeUndefined())
  }, 15_000)

  test.runIf(process.platform === 'linux')(
    'a PostgreSQL that outlived its parent and its leash is ended by the next start',
    async () => {
      const elsewhere = await startElsewhere()
      const dataDir = join(home, 'pg', 'data')
      const orphan = await postmasterPid(dataDir)
      const [leash] = await processesWith(`culm-leash\0${orphan}\0`)
      process.kill(Number(leash), 'SIGKILL')
      await elsewhere.kill()
      expect(await processesOf(dataDir)).toContain(orphan)
      const { pid } = await start()
      expect(pid).not.toBe(orphan)
      expect(await processesOf(dataDir)).not.toContain(orphan)
      await query('select 1')
    },
    15_000,
  )

  test('lock files whose number went to another process do not stand in the way, and it lives on', async () => {
    const dataDir = join(home, 'pg', 'data')
    const other = spawn('sleep', ['60'], { cwd: dataDir })
    try {
      for (const name of ['postmaster.pid', '.s.PGSQL.5432.lock']) {
        await writeFile(join(dataDir, name), `${other.pid}\n${dataDir}\n`)
      }
      await start()
      await query('select 1')
      expect([other.exitCode, other.signalCode]).toEqual([null, null])
    } finally {
      other.kill()
    }
  })

  test('what a killed initdb left is thrown away', async () => {
    await expect(access(join(home, 'pg', 'data.new'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('a start that cannot be', () => {
  test('given up half-way leaves no process behind', async () => {
    const starting = startPostgres({ home, log: silentLog, signal: AbortSignal.timeout(60) })
    await expect(starting).rejects.toMatchObject({ name: 'TimeoutError' })
    await nothingRuns(join(home, 'pg', 'data'))
  })

  test('on the cluster of another PostgreSQL says which', async () => {
    const dataDir = join(folder, 'old')
    await mkdir(dataDir, { mode: 0o700 })
    await writeFile(join(dataDir, 'PG_VERSION'), '15\n')
    await expect(start({ dataDir })).rejects.toMatchObject({ code: 'home_too_old', data: { found: '15' } })
  })

  test('in a folder with other things leaves them alone', async () => {
    const dataDir = join(folder, 'other')
    await mkdir(dataDir)
    await writeFile(join(dataDir, 'thesis.tex'), 'mine')
    await expect(start({ dataDir })).rejects.toMatchObject({ code: 'postgres_failed' })
    expect(await readFile(join(dataDir, 'thesis.tex'), 'utf8')).toBe('mine')
  })

  test('tells the last words of PostgreSQL', async () => {
    const auto = join(home, 'pg', 'data', 'postgresql.auto.conf')
    const before = await readFile(auto, 'utf8')
    await writeFile(auto, `max_connections = 'many'\n`)
    await expect(start()).rejects.toThrow(/invalid value for parameter "max_connections": "many"/)
    await writeFile(auto, before)
    await nothingRuns(join(home, 'pg', 'data'))
  })

  test.runIf(root && process.platform === 'linux')('on a full disk says so', async () => {
    const disk = join(folder, 'disk')
    await mkdir(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=10m', 'tmpfs', disk])
    try {
      await expect(start({ home: join(disk, 'home') })).rejects.toMatchObject({ code: 'home_disk_full' })
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

test('a home too deep for a socket, with odd characters, gets a private folder for it', async () => {
  const deep = join(folder, `it's "odd", \\ $HOME`, 'x'.repeat(80))
  await cp(home, deep, { recursive: true })
  const { connection } = await start({ home: deep })
  await query('select 1')
  expect(connection.host.startsWith(deep)).toBe(false)
  expect((await stat(connection.host)).mode & 0o777).toBe(0o700)
  await running?.stop()
  await rm(connection.host, { recursive: true })
}, 15_000)

test.runIf(root)(
  'root can run it as another user of the system, who then keeps the cluster',
  async () => {
    const own = await mkdtemp('/var/tmp/culm-postgres-')
    const nobody = { kind: 'user' as const, uid: 65534, gid: 65534 }
    try {
      const { pid } = await start({ home: own, runAs: nobody })
      await query('select 1')
      const owners = [join(own, 'pg', 'data'), `/proc/${pid}`].map(async (path) => (await stat(path)).uid)
      expect(await Promise.all(owners)).toEqual([65534, 65534])
      expect(await chooseRunAs(join(own, 'pg', 'data'))).toEqual(nobody)
    } finally {
      await running?.stop()
      await rm(own, { recursive: true })
    }
  },
  15_000,
)
