import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Fault, messageOf } from '../lib/fault.ts'
import { type Database, type Db, sql } from './db.ts'

/**
 * Brings the schema to this version: each numbered file once, in order, in a transaction of its own (a script is one), never edited after its release (its digest is
 * kept and compared). `states.sql` is generated from the state tables and applied whenever it changed. Several servers may start at once: one migrates.
 */
export const migrate = async (db: Database, folder: string): Promise<{ applied: string[] }> => {
  await db.script(
    'create table if not exists migration (name text primary key, digest text not null, applied_at timestamptz not null default now())',
  )
  const applied: string[] = []
  for (const file of await migrationFiles(folder)) if (await applyOne(db, file)) applied.push(file.name)
  return { applied }
}

/** Names of what was applied, in order. */
export const appliedMigrations = async (db: Db): Promise<string[]> =>
  (await db.rows<{ name: string }>(sql`select name from migration order by name`)).map((row) => row.name)

type MigrationFile = { name: string; text: string; digest: string }

const migrationFiles = async (folder: string): Promise<MigrationFile[]> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql') && name !== 'states.sql').sort()
  return Promise.all(
    [...names, 'states.sql'].map(async (name) => {
      const text = await readFile(path.join(folder, name), 'utf8')
      return { name, text, digest: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

const applyOne = async (db: Database, { name, text, digest }: MigrationFile): Promise<boolean> => {
  const known = await digestOf(db, name)
  if (known === digest) return false
  if (known !== undefined && name !== 'states.sql')
    throw new Fault('migration_failed', `${name} was changed after it had been applied`)
  // 7286 is arbitrary: the lock by which starting servers agree who migrates.
  const record = `insert into migration (name, digest) values ('${name}', '${digest}') on conflict (name) do update set digest = excluded.digest, applied_at = now()`
  try {
    await db.script(`select pg_advisory_xact_lock(7286); ${guarded(name, known, digest, text)}; ${record}`)
  } catch (error) {
    if ((await digestOf(db, name).catch(() => undefined)) === digest) return false
    throw new Fault('migration_failed', `${name}: ${messageOf(error)}`, { cause: error })
  }
  return true
}

/** Under the lock: fails when another server applied the file meanwhile, which the caller takes as done. */
const guarded = (name: string, known: string | undefined, digest: string, text: string): string =>
  known === undefined || name === 'states.sql'
    ? `do $guard$ begin if exists (select from migration where name = '${name}' and digest = '${digest}') then raise exception 'already applied'; end if; end $guard$; ${text}`
    : text

const digestOf = async (db: Database, name: string): Promise<string | undefined> =>
  (await db.row<{ digest: string }>(sql`select digest from migration where name = ${name}`))?.digest
