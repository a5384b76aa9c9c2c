import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { build } from '../../scripts/build.mjs'
import { silentLog } from '../../src/lib/log.ts'
import { files } from '../../src/main/files.ts'
import { prepareHome } from '../../src/main/home.ts'
import { startPostgres } from '../../src/main/postgres/startPostgres.ts'
import { openDatabase } from '../../src/store/db.ts'
import { migrate } from '../../src/store/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: { host: string; port: number; user: string; password: string }
  }
}

/** One PostgreSQL for all test files, and in it a migrated template from which each file clones a database of its own. */
export default async (project: TestProject) => {
  await build()
  const home = await mkdtemp(path.join(tmpdir(), 'culm-test-'))
  await prepareHome(home, { version: '0.0.0' })
  const postgres = await startPostgres({ home, log: silentLog, durable: false })
  const { host, port, user, password } = postgres.connection as {
    host: string
    port: number
    user: string
    password: string
  }
  const admin = openDatabase({ ...postgres.connection }, { connections: 1 })
  await admin.script('create database template_culm')
  const template = openDatabase({ ...postgres.connection, database: 'template_culm' }, { connections: 1 })
  await migrate(template, files.migrations)
  await template.close()
  await admin.close()
  project.provide('postgres', { host, port, user, password })
  return async () => {
    await postgres.stop()
    await rm(home, { recursive: true, force: true })
  }
}
