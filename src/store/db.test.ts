import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import { eventually } from '../../test/support/server.ts'
import { openDatabase, sql } from './db.ts'

test('as many transactions as there are connections may all read beside their own', async () => {
  const { config } = await freshDatabase()
  const db = openDatabase(config, { connections: 3 })
  const began = performance.now()
  const rows = await Promise.all(
    Array.from({ length: 9 }, () =>
      db.begin(async (tx) => {
        await tx.row(sql`select 1`)
        return db.row<{ name: string }>(sql`select name from queue`)
      }),
    ),
  )
  expect(rows).toEqual(Array.from({ length: 9 }, () => ({ name: 'local' })))
  // Waiting for a connection is given up after 10 s.
  expect(performance.now() - began).toBeLessThan(9_000)
  await db.close()
})

test('a connection that breaks in the middle of a transaction fails it, and does not end the process', async () => {
  const db = await freshDatabase()
  const broken = db.begin(async (tx) => {
    const { pid } = (await tx.row<{ pid: number }>(sql`select pg_backend_pid() as pid`))!
    await db.run(sql`select pg_terminate_backend(${pid})`)
    // Between two statements nobody waits for an answer: until the server has closed the connection, so that its end is heard here.
    await eventually(
      async () => !(await db.row(sql`select 1 as one from pg_stat_activity where pid = ${pid}`)),
      'its backend has ended',
    )
    await tx.run(sql`select 1`)
  })
  await expect(broken).rejects.toMatchObject({ code: 'database_away' })
  expect(await db.row(sql`select 1 as one`)).toEqual({ one: 1 })
})

/** PostgreSQL that shuts down in the moment in which it took somebody on, by the wire: AuthenticationOk, ReadyForQuery and a FATAL error in one packet. */
const shuttingDown = async (): Promise<{ port: number; close: () => void }> => {
  const message = (kind: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(5)
    head.write(kind)
    head.writeInt32BE(4 + body.length, 1)
    return Buffer.concat([head, body])
  }
  const fatal = 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'
  const packet = Buffer.concat([
    message('R', Buffer.alloc(4)),
    message('Z', Buffer.from('I')),
    message('E', Buffer.from(fatal)),
  ])
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(packet))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

test('a database that shuts down in the moment in which a connection is opened is away, and ends no process', async () => {
  const { port, close } = await shuttingDown()
  const db = openDatabase({ host: '127.0.0.1', port, user: 'ada' })
  await expect(db.run(sql`select 1`)).rejects.toMatchObject({ code: 'database_away' })
  await expect(db.begin(async () => {})).rejects.toMatchObject({ code: 'database_away' })
  const bell = await db.connect()
  await expect(bell.query('listen culm')).rejects.toThrow()
  await db.close()
  close()
})
