import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/server.ts'
import { silentLog } from '../lib/log.ts'
import { sql } from '../store/db.ts'
import { openEngine } from './openEngine.ts'

test('a process starts while others on its database ring all the time', async () => {
  const db = await freshDatabase()
  const storageFolder = await mkdtemp(path.join(tmpdir(), 'culm-storage-'))
  let ringing = true
  const others = (async () => {
    while (ringing) await db.run(sql`select pg_notify('culm', 'another lane:1 agent:tail')`)
  })()
  for (let n = 0; n < 5; n++) {
    const { engine, close } = await openEngine({ database: db.config, storageFolder, log: silentLog, connections: 2 })
    expect(engine.lanes.queues.map((queue) => queue.name)).toEqual(['local'])
    await close()
  }
  ringing = false
  await others
  await rm(storageFolder, { recursive: true, force: true })
})

test('a process that cannot start leaves nothing open that would keep it alive', async () => {
  const db = await freshDatabase()
  const bells = async () =>
    (
      await db.rows(
        sql`select from pg_stat_activity where application_name = 'culm-bell' and datname = current_database()`,
      )
    ).length
  let opening: Promise<unknown> = Promise.resolve()
  await db.begin(async (tx) => {
    await tx.run(sql`lock table lane in access exclusive mode`)
    opening = openEngine({ database: db.config, storageFolder: tmpdir(), log: silentLog, connections: 2 })
    opening.catch(() => {})
    await eventually(async () => (await bells()) === 1, 'it listens')
    await tx.run(sql`alter table lane rename to lost_lane`)
  })
  await expect(opening).rejects.toThrow('lane')
  await eventually(async () => (await bells()) === 0, 'it listens no more')
})
