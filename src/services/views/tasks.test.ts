import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { jobQuery } from '../../contract/jobs.ts'
import { taskOfJob } from '../../store/jobs.ts'
import { listJobs, taskSpread } from './tasks.ts'

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

const usedBy = (n: number) => ({ wallSeconds: 10 + n, cpuSeconds: (10 + n) / 2, maxRssMb: 100 * n })

test('how long the jobs of a task took is told of those that have ended, by their last attempts', async () => {
  const place = await world.place()
  const [first] = await place.submit(6, { attempts: { user: 2, site: 1, lost: 1 } })
  const task = (await taskOfJob(world.first.db, first!))!
  const spread = () => taskSpread(world.first, place.ann, task)
  const nothing = { wallSeconds: null, memoryMb: null, cpuShare: null }
  expect(await spread()).toEqual({ jobs: 6, of: 6, ended: 0, ...nothing })

  const pilot = await place.pilot({ slots: 5 })
  const [one, two, three, four] = await pilot.take()
  await pilot.report([
    { ...finished(one!, 1), usage: usedBy(1) },
    { ...finished(two!, 1), usage: usedBy(3) },
    finished(three!, 1),
    { ...{ jobId: four!.jobId, attempt: 1, what: 'failed', cause: 'user' }, usage: usedBy(900) },
  ])
  const { wallSeconds, memoryMb, cpuShare, ...looked } = await spread()
  expect(looked).toEqual({ jobs: 6, of: 6, ended: 3 })
  expect(wallSeconds).toMatchObject({ jobs: 2, p50: 11, p95: 13, max: 13 })
  expect(memoryMb).toMatchObject({ jobs: 2, p50: 100, max: 300 })
  expect(cpuShare).toMatchObject({ jobs: 2, p50: 0.5, max: 0.5, buckets: [{ from: 0.5, to: 0.505, jobs: 2 }] })

  await world.pass(120, { heard: [pilot] })
  const again = (await pilot.take()).find(({ jobId }) => jobId === four!.jobId)!
  await pilot.report([{ ...finished(again, 1), usage: usedBy(5) }])
  expect(await spread()).toMatchObject({ ended: 4, wallSeconds: { jobs: 3, max: 15 } })
})

test('of a large task some jobs are looked at, evenly, and it says of how many', async () => {
  const place = await world.place()
  const [first] = await place.submit(4500)
  const task = (await taskOfJob(world.first.db, first!))!
  const pilot = await place.pilot({ slots: 4500 })
  const jobs = await pilot.take()
  await pilot.report(jobs.map((job) => ({ ...finished(job, 1), usage: { wallSeconds: 100 + job.index } })))
  const { wallSeconds, ...looked } = await taskSpread(world.first, place.ann, task)
  expect(looked).toEqual({ jobs: 2000, of: 4500, ended: 2000, memoryMb: null, cpuShare: null })
  expect(Math.abs(wallSeconds!.p50 - 2350)).toBeLessThan(10)
  expect(Math.abs(wallSeconds!.p95 - 4375)).toBeLessThan(10)
})
