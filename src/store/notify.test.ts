import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/server.ts'
import { type Db, sql } from './db.ts'
import { openWire } from './notify.ts'

const endBells = (db: Db) =>
  db.run(sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'culm-bell' and datname = current_database()`)

const bells = async (db: Db): Promise<number> =>
  (await db.row<{ n: number }>(sql`
    select count(*)::int as n from pg_stat_activity where application_name = 'culm-bell' and datname = current_database()`))!
    .n

test('a wire whose connection is ended again and again comes back, each time as one', async () => {
  const db = await freshDatabase()
  const heard: string[] = []
  const wire = openWire(db, { self: 'a', hear: (keys) => heard.push(...keys), lost: () => {} })
  for (let n = 0; n < 20; n++) await endBells(db)
  await eventually(async () => (await bells(db)) === 1, 'it is connected again')
  await eventually(async () => {
    await db.run(sql`select pg_notify('culm', 'b key')`)
    return heard.length > 0
  }, 'it hears')
  await wire.close()
  expect(await bells(db)).toBeLessThanOrEqual(1)
})

test('a wire sends nothing while nobody else listens on its database, and sends once somebody does', async () => {
  const db = await freshDatabase()
  const heard: string[] = []
  const open = (self: string, hear: (keys: string[]) => void) => openWire(db, { self, hear, lost: () => {} })
  const first = open('a', () => {})
  await first.lookAround()
  const watcher = await db.connect()
  watcher.on('notification', ({ payload }) => heard.push(payload!))
  await watcher.query('listen culm')
  await watcher.query("set application_name = 'watcher'")
  first.send(['unheard'])
  const second = open('b', () => {})
  await eventually(async () => (await bells(db)) === 2, 'the second is connected')
  await first.lookAround()
  first.send(['heard'])
  await eventually(async () => heard.length > 0, 'something was sent')
  expect(heard).toEqual(['a heard'])
  await watcher.end()
  await Promise.all([first.close(), second.close()])
})
