import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { type Database, openDatabase } from '../../src/store/db.ts'
import { atEnd } from './atEnd.ts'

export type DatabaseConfig = { host: string; port: number; user: string; password: string; database: string }

/** A database of the test file's own, cloned from the migrated template; dropped at its end. */
export const freshDatabase = async (): Promise<Database & { config: DatabaseConfig }> => {
  const postgres = inject('postgres')
  const name = `test_${randomUUID().slice(0, 8)}`
  const admin = openDatabase({ ...postgres, database: 'culm' }, { connections: 1 })
  await admin.script(`create database ${name} template template_culm strategy file_copy`)
  const config = { ...postgres, database: name }
  const db = openDatabase(config, { connections: 6 })
  atEnd(async () => {
    await db.close()
    await admin.script(`drop database if exists ${name} with (force)`)
    await admin.close()
  })
  return { ...db, config }
}
