import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import type { Client } from '../contract/client.ts'
import { sql } from '../store/db.ts'
import { crashPoints, passingClient, passingDatabase, passRequests } from './crashPoints.ts'

test('a process dies at the point that is named, the n-th time that it comes there, and nowhere else', () => {
  let deaths = 0
  const passing = crashPoints('report.replying:2', () => deaths++)!
  passing('claim.replying')
  passing('report.replying')
  expect(deaths).toBe(0)
  passing('report.replying')
  expect(deaths).toBe(1)
})

test('without a point nothing is wired', async () => {
  const client = {} as Client
  expect(crashPoints(undefined)).toBeUndefined()
  expect(passingClient(client, undefined)).toBe(client)
})

test('who dies before the commit has done nothing, and who dies after it has done all', async () => {
  const db = await freshDatabase()
  const insertAndDie = (point: string, name: string) => {
    const die = () => {
      throw new Error('dead')
    }
    const mortal = passingDatabase(db, crashPoints(point, die))
    return mortal.begin((tx) => tx.run(sql`insert into site (name) values (${name})`))
  }
  await expect(insertAndDie('transaction.committing', 'before')).rejects.toThrow('dead')
  await expect(insertAndDie('transaction.committed', 'after')).rejects.toThrow('dead')
  expect(await db.rows(sql`select name from site where name in ('before', 'after')`)).toEqual([{ name: 'after' }])
})

test('a request passes before it is served and before its reply is sent, by the name of its route', async () => {
  const app = Fastify()
  const seen: string[] = []
  app.post('/v1/pilots/:id/claim', async () => {
    seen.push('served')
    return {}
  })
  passRequests(app, (point) => seen.push(point))
  await app.inject({ method: 'POST', url: '/v1/pilots/p1/claim' })
  expect(seen).toEqual(['claim.asked', 'served', 'claim.replying'])
  await app.close()
})

test('who asks passes before it sends and when the answer is there', async () => {
  const seen: string[] = []
  const client = { call: async () => seen.push('sent') } as unknown as Client
  await passingClient(client, (point) => seen.push(point)).call('renew')
  expect(seen).toEqual(['renew.asking', 'sent', 'renew.answered'])
})
