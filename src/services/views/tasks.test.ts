import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { jobQuery } from '../../contract/jobs.ts'
import { taskOfJob } from '../../store/jobs.ts'
import { listJobs } from './tasks.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

test('the jobs of a task are listed with how their last attempts went, and with what is small when it is asked for', async () => {
  const place = await world.place()
  const ids = await place.submit(5, {
    jobs: ['{"a":[1.0]}', '{"a":[2]}', JSON.stringify({ a: ['x'.repeat(2000)] }), '{"a":[]}', '{}'].map((text) => ({
      args: { text },
    })),
  })
  const pilot = await place.pilot({ host: 'node7', slots: 4 })
  const [one, two, three] = await pilot.take()
  const usage = { wallSeconds: 1.5, cpuSeconds: 1, maxRssMb: 20 }
  const startedAt = world.now().toISOString()
  await pilot.report([
    { ...finished(one!, 1), startedAt, endedAt: startedAt, usage },
    {
      ...{ jobId: two!.jobId, attempt: 1, what: 'failed', cause: 'user' },
      error: { type: 'FitError', message: 'no\nminimum', stack: 'at fit' },
    },
    finished(three!, 'y'.repeat(2000)),
  ])
  const task = (await taskOfJob(world.first.db, ids[0]!))!
  const list = async (query: object) =>
    (await listJobs(world.first, place.ann, task, jobQuery.parse({ limit: 50, ...query }))).items
  const [first, second, third, fourth, fifth] = await list({ with: 'args,value' })
  expect(first).toMatchObject({ state: 'finished', host: 'node7', startedAt, endedAt: startedAt, usage })
  expect(first).toMatchObject({ args: { text: '{"a":[1.0]}' }, value: { text: '1' }, errorLine: null })
  expect(second).toMatchObject({ state: 'failed', cause: 'user', errorLine: 'FitError: no', host: 'node7' })
  expect(second).not.toHaveProperty('value')
  expect(third).not.toHaveProperty('args')
  expect(third).not.toHaveProperty('value')
  expect(fourth).toMatchObject({ state: 'sent', host: 'node7', endedAt: null, usage: null })
  expect(fifth).toMatchObject({ state: 'activated', host: null, sentAt: null, args: { text: '{}' } })
  expect((await list({}))[0]).not.toHaveProperty('args')
  expect((await list({ cause: 'user' })).map(({ index }) => index)).toEqual([1])
  expect(await list({ cause: 'lost' })).toEqual([])
  expect(await list({ cause: 'user', state: 'finished' })).toEqual([])
})
