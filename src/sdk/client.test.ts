import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NewTask } from '../contract/tasks.ts'
import { Client } from './client.ts'
import { type FakeServer, startFakeServer } from './testing/fakeServer.ts'

let server: FakeServer
let client: Client
beforeAll(async () => {
  server = await startFakeServer({ run: async () => ({ text: 'null' }) })
  client = new Client({ url: server.url, token: 'mine' })
})
afterAll(async () => {
  await client.close()
  await server.close()
})

test('a command becomes a workflow of its own, which takes no more', async () => {
  const { workflowId, taskId, jobId } = await client.submit(['sleep', '1'], {
    folder: '/data',
    memoryMb: 100,
    after: ['t7'],
  })
  expect(jobId).toMatch(/^j\d+$/)
  const [submitted] = server.askedFor('submitTask')
  expect(submitted!.body as NewTask).toMatchObject({
    workflowId,
    name: 'sleep',
    payload: { kind: 'command', command: ['sleep', '1'], folder: '/data' },
    memoryMb: 100,
    after: ['t7'],
  })
  expect(server.tasks.get(taskId)!.jobs).toHaveLength(1)
  expect(server.asked.map(({ name }) => name)).toEqual(['createWorkflow', 'submitTask', 'closeWorkflow'])
  expect(submitted!.token).toBe('Bearer mine')
})

test('an id says by its noun what is explained, cancelled and retried', async () => {
  for (const id of ['w1', 't2', 'j3']) expect(await client.explain(id)).toEqual({ subject: id })
  expect(await client.cancel('w1', 'enough')).toEqual({ cancelled: 1, asked: 0 })
  expect(await client.cancel('j3')).toEqual({ cancelled: 0, asked: 1 })
  expect(server.askedFor('cancelWorkflow')[0]!.body).toEqual({ why: 'enough' })
  expect([await client.retry('w1', 'again'), await client.retry('t2')]).toEqual([{ retried: 2 }, { retried: 1 }])
  expect(server.askedFor('retryWorkflow')[0]!.body).toEqual({ why: 'again' })
})

test('a list is read to its end, page by page', async () => {
  const ids = []
  for await (const { id } of client.tasks({ state: 'running' })) ids.push(id)
  expect(ids).toEqual(['t3', 't2', 't1'])
})
