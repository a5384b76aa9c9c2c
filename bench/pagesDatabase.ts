import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { silentLog } from '../src/lib/log.ts'
import { files, version } from '../src/main/files.ts'
import { prepareHome } from '../src/main/home.ts'
import { startPostgres } from '../src/main/postgres/startPostgres.ts'
import { type Database, openDatabase, sql } from '../src/store/db.ts'
import { migrate } from '../src/store/migrate.ts'
import { brokenInvariants } from '../test/support/invariants.ts'

const kept = '.cache/pages'
const template = 'pages'

/**
 * A home whose database `culm` is a fresh copy of the filled one. That is made once (some minutes), kept in `.cache` under the hash of what makes it, and looked through:
 * everything in it is as the engine itself would have left it.
 */
export const homeWithPages = async (): Promise<string> => {
  const hash = await hashOfMakers()
  for (const other of await readdir(kept).catch(() => []))
    if (other !== hash) await rm(path.join(kept, other), { recursive: true, force: true })
  const home = path.resolve(kept, hash)
  await mkdir(home, { recursive: true })
  await prepareHome(home, { version })
  const postgres = await startPostgres({ home, log: silentLog, durable: false })
  const admin = openDatabase({ ...postgres.connection, database: 'postgres' }, { connections: 1 })
  try {
    if (!(await admin.row(sql`select from pg_database where datname = ${template}`)))
      await make(admin, { ...postgres.connection })
    await admin.script('drop database if exists culm with (force)')
    await admin.script(`create database culm template ${template} strategy file_copy`)
  } finally {
    await admin.close()
    await postgres.stop()
  }
  return home
}

const hashOfMakers = async (): Promise<string> => {
  const hash = createHash('sha256').update(await readFile('bench/pages.sql'))
  for (const name of (await readdir(files.migrations)).sort())
    hash.update(await readFile(path.join(files.migrations, name)))
  return hash.digest('hex').slice(0, 16)
}

/** Under another name until it is whole, so that one who is interrupted begins anew. */
const make = async (admin: Database, connection: object): Promise<void> => {
  const began = performance.now()
  const seconds = () => ((performance.now() - began) / 1000).toFixed(0)
  await admin.script('drop database if exists filling with (force)')
  await admin.script('create database filling')
  const db = openDatabase({ ...connection, database: 'filling' }, { connections: 1 })
  try {
    await migrate(db, files.migrations)
    // One who fills and looks through whole tables, unlike the services, wants to read and join them whole.
    await db.script(
      'set enable_hashjoin = on; set enable_mergejoin = on; set enable_seqscan = on; set plan_cache_mode = auto',
    )
    await db.script(await readFile('bench/pages.sql', 'utf8'))
    await db.script('vacuum analyze')
    console.error(`filled after ${seconds()} s`)
    const broken = await brokenInvariants(db)
    if (broken.length > 0) throw new Error(`${broken.length} invariants are broken: ${broken.slice(0, 10).join('; ')}`)
    console.error(`looked through after ${seconds()} s`)
  } finally {
    await db.close()
  }
  await admin.script(`alter database filling rename to ${template}`)
}
