import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
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
