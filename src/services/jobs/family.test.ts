import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { showId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { defaultLimits } from '../engine/engine.ts'
import { cancelJob } from '../steer/cancel.ts'
import { retryJob } from '../steer/retry.ts'
import { addJobs } from '../submit/addJobs.ts'
import { familyPage } from './family.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld({ limits: { ...defaultLimits, jobsAtOnce: 3 } })
})
afterAll(() => world.close())

const tellAll = async () => {
  while (await familyPage(world.first));
  await world.look()
}
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
  await tellAll()
  expect(await brokenInvariants(world.first.db)).toEqual([])
})

const waitingFor = (...parents: number[]) => ({ args: { text: '{}' }, after: parents.map((id) => showId('j', id)) })
const times = <T>(n: number, what: T): T[] => Array(n).fill(what)
/** As `state unmet`, in order of id. */
const statesOf = async (jobs: number[]): Promise<string[]> =>
  (
    await world.first.db.rows<{ state: string; unmet: number }>(
      sql`select state, unmet from job where id = any(${jobs}::bigint[]) order by id`,
    )
  ).map(({ state, unmet }) => `${state} ${unmet}`)

const taskOf = async (job: number): Promise<number> =>
  (await world.first.db.row<{ id: number }>(sql`select task_id as id from job where id = ${job}`))!.id
const jobsOf = async (task: number): Promise<number[]> =>
  (await world.first.db.rows<{ id: number }>(sql`select id from job where task_id = ${task}`)).map(({ id }) => id)

/** Jobs that a pilot has; `end` tells how one of them ended, and lets the counters say so. */
const parents = async (n: number) => {
  const place = await world.place()
  const ids = await place.submit(n)
  const pilot = await place.pilot()
  const held = await pilot.take()
  const end = async (parent: number, what: 'finished' | 'failed') => {
    const claim = held.find(({ jobId }) => jobId === showId('j', parent))!
    const report = what === 'finished' ? finished(claim) : { ...claim, what, cause: 'user' as const }
    expect(await pilot.report([report])).toEqual(['moved'])
    await world.look()
  }
  const submitAfter = (jobs: ReturnType<typeof waitingFor>[], more: object = {}) =>
    place.submit(jobs.length, { jobs, ...more })
  return { ...place, ids, pilot, end, submitAfter }
}

/** One job, and `n` that wait for it; `beside` is of its task. */
const family = async (n: number, more: object = {}) => {
  const place = await parents(2)
  const [parent, beside] = place.ids as [number, number]
  const children = await place.submitAfter(times(n, waitingFor(parent)), more)
  return { ...place, parent, beside, children }
}

describe('many jobs that waited for one', () => {
  test('begin page by page, and those of a few at once', async () => {
    const { children, parent, end, pilot } = await family(7)
    await end(parent, 'finished')
    expect(await statesOf([parent, ...children])).toEqual(['finished 0', ...times(7, 'pending 1')])
    await familyPage(world.first)
    expect(await statesOf(children)).toEqual([...times(3, 'activated 0'), ...times(4, 'pending 1')])
    expect(await pilot.take()).toHaveLength(3)
    await tellAll()
    expect(await pilot.take()).toHaveLength(4)
    const few = await family(3)
    await few.end(few.parent, 'finished')
    expect(await statesOf(few.children)).toEqual(times(3, 'activated 0'))
  })

  test('keep waiting for others, however many servers do the same page at the same time', async () => {
    const { ids, end, submitAfter } = await parents(3)
    const [large, small, never] = ids as [number, number, number]
    const children = await submitAfter([
      ...times(2, waitingFor(large, small, never)),
      ...times(5, waitingFor(large, never)),
    ])
    const servers = [world.first, await world.server(), await world.server()]
    await end(large, 'finished')
    await end(small, 'finished')
    expect(await statesOf(children)).toEqual(times(7, 'pending 2'))
    while ((await Promise.all(servers.map((server) => familyPage(server)))).some(Boolean));
    expect(await statesOf(children)).toEqual(times(7, 'pending 1'))
  })

  test('leave out those that come meanwhile, which do not wait for that one', async () => {
    const { ann, children, parent, beside, end } = await family(5, { open: true })
    await end(parent, 'finished')
    const task = await taskOf(children[0]!)
    await addJobs(world.first, ann, task, { firstIndex: 5, jobs: [waitingFor(parent, beside)], close: true })
    const all = await jobsOf(task)
    expect(await statesOf(all)).toEqual(times(6, 'pending 1'))
    await tellAll()
    expect(await statesOf(all)).toEqual([...times(5, 'activated 0'), 'pending 1'])
  })

  test('are retried meanwhile: they wait when it has not come to them yet', async () => {
    const { ann, children, parent, beside, end } = await family(7)
    await end(beside, 'failed')
    await end(parent, 'finished')
    await retryJob(world.first, ann, beside, 'it waits for nothing')
    expect(await statesOf([beside])).toEqual(['activated 0'])
    await familyPage(world.first)
    for (const child of [children[0]!, children[6]!]) {
      await cancelJob(world.first, ann, child, 'enough')
      await retryJob(world.first, ann, child, 'after all')
    }
    expect(await statesOf(children)).toEqual([...times(3, 'activated 0'), ...times(4, 'pending 1')])
    await tellAll()
    expect(await statesOf(children)).toEqual(times(7, 'activated 0'))
  })
})

describe('many jobs that waited for one that failed', () => {
  test('are cancelled page by page, and what waits for these with them', async () => {
    const { children, parent, end, submitAfter } = await family(5)
    const grandchildren = await submitAfter([...times(4, waitingFor(children[0]!)), waitingFor(children[1]!)])
    await end(parent, 'failed')
    expect(await statesOf(children)).toEqual(times(5, 'pending 1'))
    await familyPage(world.first)
    expect(await statesOf(children)).toEqual([...times(3, 'cancelled 1'), ...times(2, 'pending 1')])
    expect(await statesOf(grandchildren)).toEqual([...times(4, 'pending 1'), 'cancelled 1'])
    await tellAll()
    expect(await statesOf([...children, ...grandchildren])).toEqual(times(10, 'cancelled 1'))
    const whys = await world.first.db.rows<{ why: string }>(sql`
      select distinct why from history where noun = 'job' and id = any(${children}::bigint[]) and to_state = 'cancelled'`)
    expect(whys).toEqual([{ why: `${showId('j', parent)} did not finish` }])
  })

  test('come back with that one, whatever of them had been cancelled by then', async () => {
    const { ann, children, parent, end, pilot } = await family(7)
    await end(parent, 'failed')
    await familyPage(world.first)
    await retryJob(world.first, ann, parent, 'repaired')
    expect(await statesOf(children)).toEqual(times(7, 'pending 1'))
    await tellAll()
    expect(await statesOf(children)).toEqual(times(7, 'pending 1'))
    await pilot.report((await pilot.take()).map((job) => finished(job)))
    await tellAll()
    expect(await pilot.take()).toHaveLength(7)
  })
})
