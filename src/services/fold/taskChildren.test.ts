import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { finished, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { showId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { defaultLimits } from '../engine/engine.ts'
import { cancelJob } from '../steer/cancel.ts'
import { retryJob, retryTask } from '../steer/retry.ts'
import { sweepPage } from '../steer/sweeps.ts'
import { addJobs } from '../submit/addJobs.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld({ limits: { ...defaultLimits, jobsAtOnce: 3 } })
})
afterAll(() => world.close())

const sweepAll = async () => {
  while (await sweepPage(world.first));
  await world.look()
}
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
  await sweepAll()
  expect(await brokenInvariants(world.first.db)).toEqual([])
})

const statesOf = async (taskId: number): Promise<string> =>
  (
    await world.first.db.rows<{ state: string; unmet: number }>(
      sql`select state, unmet from job where task_id = ${taskId} order by index`,
    )
  )
    .map(({ state, unmet }) => `${state} ${unmet}`)
    .join(', ')
const times = (n: number, what: string) => Array(n).fill(what)
const list = (...parts: (string | string[])[]) => parts.flat().join(', ')
const stateOf = async (taskId: number) =>
  (await world.first.db.row<{ state: string }>(sql`select state from task where id = ${taskId}`))!.state
const taskOf = async (jobId: number) =>
  (await world.first.db.row<{ taskId: number }>(sql`select task_id as "taskId" from job where id = ${jobId}`))!.taskId

/** A task of one job, which a pilot has, and one of `n` jobs that waits for it; three of them are moved at once. */
const waiting = async (n: number, more: object = {}) => {
  const place = await world.place()
  const [parent] = await place.submit(1)
  const parentTask = await taskOf(parent!)
  const jobs = await place.submit(n, { after: [showId('t', parentTask)], ...more })
  const pilot = await place.pilot()
  const [held] = await pilot.take()
  /** Ends the first one, and lets the counters say so. */
  const end = async (what: 'finished' | 'failed') => {
    const report = what === 'finished' ? finished(held!) : { ...held!, what, cause: 'user' as const }
    expect(await pilot.report([report])).toEqual(['moved'])
    await world.look()
  }
  return { ...place, pilot, parent: parent!, parentTask, jobs, task: await taskOf(jobs[0]!), end }
}

/** The same, whose jobs wait for another job besides, three for each of these. */
const waitingTwice = async (n: number) => {
  const one = await waiting(1)
  const before = (await one.submit(Math.ceil(n / 3))).map((id) => showId('j', id))
  const jobs = Array.from({ length: n }, (_, i) => ({ args: { text: '{}' }, after: [before[Math.floor(i / 3)]!] }))
  const [first] = await one.submit(n, { jobs, after: [showId('t', one.parentTask)] })
  return { ...one, before, task: await taskOf(first!) }
}

describe('a large task that waited for another', () => {
  test('may begin at once, and its jobs follow page by page', async () => {
    const { task, end, pilot } = await waiting(7)
    await end('finished')
    expect([await stateOf(task), await statesOf(task)]).toEqual(['ready', list(times(7, 'pending 1'))])
    await sweepPage(world.first)
    expect(await statesOf(task)).toBe(list(times(3, 'activated 0'), times(4, 'pending 1')))
    expect(await pilot.take()).toHaveLength(3)
    await sweepAll()
    expect(await pilot.take()).toHaveLength(4)
  })

  test('keeps back what waits for a job as well', async () => {
    const { task, before, end, pilot } = await waitingTwice(5)
    expect(await statesOf(task)).toBe(list(times(5, 'pending 2')))
    await end('finished')
    await sweepPage(world.first)
    const held = (await pilot.take()).filter(({ jobId }) => before.includes(jobId))
    await pilot.report(held.map((job) => finished(job)))
    expect(await statesOf(task)).toBe(list(times(3, 'activated 0'), times(2, 'pending 1')))
    await sweepAll()
    expect(await statesOf(task)).toBe(list(times(5, 'activated 0')))
  })

  test('is not let go twice by several that do the same page at the same time', async () => {
    const { task, end } = await waitingTwice(7)
    const servers = [world.first, await world.server(), await world.server()]
    await end('finished')
    while ((await Promise.all(servers.map((server) => sweepPage(server)))).some(Boolean));
    expect(await statesOf(task)).toBe(list(times(7, 'pending 1')))
  })

  test('takes further jobs meanwhile, which do not wait for the other', async () => {
    const { task, ann, submit, end } = await waiting(5, { open: true })
    const [before] = await submit(1)
    await end('finished')
    await sweepPage(world.first)
    const more = [{ args: { text: '{}' } }, { args: { text: '{}' }, after: [showId('j', before!)] }]
    await addJobs(world.first, ann, task, { firstIndex: 5, jobs: more, close: true })
    expect(await statesOf(task)).toBe(list(times(3, 'activated 0'), times(2, 'pending 1'), 'activated 0', 'pending 1'))
    await sweepAll()
    expect(await statesOf(task)).toBe(list(times(6, 'activated 0'), 'pending 1'))
  })

  test('has jobs retried meanwhile: they wait when it has not come to them yet', async () => {
    const { task, ann, jobs, end } = await waiting(7)
    await end('finished')
    await sweepPage(world.first)
    for (const job of [jobs[0]!, jobs[6]!]) {
      await cancelJob(world.first, ann, job, 'enough')
      await retryJob(world.first, ann, job, 'after all')
    }
    expect(await statesOf(task)).toBe(list(times(3, 'activated 0'), times(4, 'pending 1')))
    await sweepAll()
    expect(await statesOf(task)).toBe(list(times(7, 'activated 0')))
  })
})

describe('a large task that waited for one that failed', () => {
  test('is cancelled page by page, and ends', async () => {
    const { task, parentTask, end } = await waiting(7)
    await end('failed')
    expect(await statesOf(task)).toBe(list(times(7, 'pending 1')))
    await sweepPage(world.first)
    expect(await statesOf(task)).toBe(list(times(3, 'cancelled 1'), times(4, 'pending 1')))
    await sweepAll()
    expect([await stateOf(task), await statesOf(task)]).toEqual(['failed', list(times(7, 'cancelled 1'))])
    const { why } = (await world.first.db.row<{ why: string }>(sql`
      select why from history where noun = 'job' and to_state = 'cancelled' order by seq desc limit 1`))!
    expect(why).toBe(`${showId('t', parentTask)} did not end well`)
  })

  test('comes back with that one, whatever of it had been cancelled by then', async () => {
    const { task, parentTask, ann, end, pilot } = await waiting(7)
    await end('failed')
    await sweepPage(world.first)
    await retryTask(world.first, ann, parentTask, 'repaired')
    expect(await statesOf(task)).toBe(list(times(7, 'pending 1')))
    await sweepAll()
    expect(await statesOf(task)).toBe(list(times(7, 'pending 1')))
    await pilot.report((await pilot.take()).map((job) => finished(job)))
    await world.look()
    await sweepAll()
    expect(await pilot.take()).toHaveLength(7)
  })

  test('takes further jobs meanwhile, which are cancelled with it', async () => {
    const { task, ann, end } = await waiting(5, { open: true })
    await end('failed')
    await addJobs(world.first, ann, task, { firstIndex: 5, jobs: [{ args: { text: '{}' } }], close: true })
    expect(await statesOf(task)).toBe(list(times(5, 'pending 1'), 'cancelled 1'))
    await sweepAll()
    expect([await stateOf(task), await statesOf(task)]).toEqual(['failed', list(times(6, 'cancelled 1'))])
  })
})
