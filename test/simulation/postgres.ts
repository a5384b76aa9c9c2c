import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { silentLog } from '../../src/lib/log.ts'
import { files } from '../../src/main/files.ts'
import { prepareHome } from '../../src/main/home.ts'
import { startPostgres } from '../../src/main/postgres/startPostgres.ts'
import { type Database, openDatabase } from '../../src/store/db.ts'
import { migrate } from '../../src/store/migrate.ts'

/** Where a seed gets its database from: a clone of the template, as new (0.1 s; ids, sequences and the pages of tables begin as they did the last time). */
export type Template = { fresh: () => Promise<{ db: Database; drop: () => Promise<void> }>; close: () => Promise<void> }

type Server = { host: string; port: number; user: string; password: string }

/**
 * A PostgreSQL of its own. Without autovacuum: when that has been by decides in which order rows lie in a table, and statements without an order would give
 * them so; the same seed would not give the same history.
 */
export const ownTemplate = async (): Promise<Template> => {
  const home = await mkdtemp(path.join(tmpdir(), 'culm-simulation-'))
  await prepareHome(home, { version: '0.0.0' })
  const postgres = await startPostgres({ home, log: silentLog, durable: false })
  const server = postgres.connection as Server
  const admin = openDatabase({ ...server, database: 'culm' }, { connections: 1 })
  await admin.script('alter system set autovacuum = off')
  await admin.script('select pg_reload_conf()')
  const template = await makeTemplate(server, admin)
  return {
    ...template,
    close: async () => {
      await template.close()
      await postgres.stop()
      await rm(home, { recursive: true, force: true })
    },
  }
}

const makeTemplate = async (server: Server, admin: Database): Promise<Template> => {
  await admin.script('create database template_simulation')
  const template = openDatabase({ ...server, database: 'template_simulation' }, { connections: 1 })
  await migrate(template, files.migrations)
  await template.close()
  let n = 0
  return {
    fresh: async () => {
      const name = `simulation_${++n}`
      await admin.script(`create database ${name} template template_simulation strategy file_copy`)
      const db = openDatabase({ ...server, database: name }, { connections: 2 })
      return {
        db,
        drop: async () => {
          await db.close()
          await admin.script(`drop database ${name}`)
        },
      }
    },
    close: () => admin.close(),
  }
}
