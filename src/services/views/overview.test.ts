import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { sql } from '../../store/db.ts'
import { ensurePerson } from '../../store/people.ts'
import { admitToken, authenticate } from '../access/authenticate.ts'
import { foldUsage } from '../fold/foldUsage.ts'
import { overview } from './overview.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let place: Awaited<ReturnType<Awaited<ReturnType<typeof startWorld>>['place']>>

beforeAll(async () => {
  world = await startWorld()
  place = await world.place()
  const pilot = await place.pilot()
  await place.submit(12, { name: 'fit' })
  const jobs = await pilot.take({ jobs: 8 })
  await pilot.report(jobs.slice(0, 5).map((held) => finished(held)))
  await world.pass(120, { heard: [pilot] })
  const error = { type: 'E', message: 'm' }
  await pilot.report([{ jobId: jobs[5]!.jobId, attempt: 1, what: 'failed', cause: 'user', exitCode: 1, error }])
  await world.look()
  while (await foldUsage(world.first));
})

afterAll(() => world.close())

test('what runs, waits and went wrong is told with the minutes in which it did', async () => {
  const seen = await overview(world.first, place.ann)
  expect(seen.jobs).toEqual({ total: 12, finished: 5, failed: 1, sent: 2, activated: 4 })
  expect(seen.minutes.finished).toHaveLength(60)
  expect(seen.minutes.finished.slice(-3)).toEqual([5, 0, 0])
  expect(seen.minutes.failed.slice(-3)).toEqual([0, 0, 1])
  expect(Date.parse(seen.minutes.from)).toBe(Date.parse('2030-01-01T00:02:00Z') - 59 * 60_000)
  expect(seen.active.map(({ id }) => id)).toEqual([place.workflowId])
  expect(seen.failing.map(({ id }) => id)).toEqual([place.workflowId])
  expect(seen.queues.find(({ name }) => name === place.queue)).toMatchObject({ pilots: 1, running: 2 })
  expect(seen.suspects).toEqual([])
})

test('jobs of an experiment by state are those that its rows have', async () => {
  const { db } = world.first
  const counted = sql`
    select t.experiment_id as experiment, j.state, count(*)::int as jobs from job j join task t on t.id = j.task_id group by 1, 2 order by 1, 2`
  const kept = sql`
    select experiment_id as experiment, state, jobs from experiment_count where jobs <> 0 order by 1, 2`
  expect(await db.rows(kept)).toEqual(await db.rows(counted))
})

test('a silent pilot is named; of another experiment nothing is told but the places that serve all', async () => {
  await world.pass(50)
  expect((await overview(world.first, place.ann)).suspects).toHaveLength(1)
  const { db, clock } = world.first
  const made = await db.row<{ id: number }>(sql`
    with e as (insert into experiment (name) values ('south') returning id)
    insert into team (experiment_id, name) select id, 'users' from e returning experiment_id as id`)
  const personId = await ensurePerson(db, { experimentId: made!.id, name: 'cat', admin: true, now: clock() })
  await admitToken(world.first, 'token of cat', { personId, note: 'test' })
  const seen = await overview(world.first, await authenticate(world.first, 'Bearer token of cat'))
  expect(seen).toMatchObject({ jobs: { total: 0 }, active: [], ended: [], failing: [] })
  expect(seen.minutes.finished.every((n) => n === 0)).toBe(true)
})
