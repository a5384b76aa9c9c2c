import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { finished, type Held, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import type { Report } from '../../contract/pilots.ts'
import { readId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { defaultLimits } from '../engine/engine.ts'
import { addJobs } from '../submit/addJobs.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

const failed = ({ jobId, attempt }: Held, cause: 'bundle' | 'environment' | 'user' = 'bundle'): Report => ({
  ...{ jobId, attempt, what: 'failed', cause },
  error: { type: 'ModuleNotFoundError', message: 'No module named numpy' },
})
const returned = ({ jobId, attempt }: Held): Report => ({ jobId, attempt, what: 'returned' })

const taskOf = async (ids: number[]) =>
  (await world.first.db.row<{ id: number; state: string; why: string | null }>(sql`
    select t.id, t.state, (select why from history where noun = 'task' and id = t.id and trigger = 'finishAsked') as why
    from task t where id = (select task_id from job where id = ${ids[0]!})`))!

/** How many of these jobs are in each state, and why those are that were cancelled. */
const statesOf = async (ids: number[]) => {
  const rows = await world.first.db.rows<{ state: string; n: number }>(
    sql`select state, count(*)::int as n from job where id = any(${ids}::bigint[]) group by state`,
  )
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]))
}
const errorsOf = async (ids: number[]) =>
  (
    await world.first.db.rows<{ error: string }>(
      sql`select distinct error from result where job_id = any(${ids}::bigint[]) and cause = 'cancelled'`,
    )
  ).map(({ error }) => JSON.parse(error).message)

test.each(['bundle', 'environment'] as const)(
  'a task whose first job fails by its %s is stopped: no other is begun, and each says why',
  async (cause) => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(5000)
    const [first, second, third] = await pilot.take({ jobs: 3 })
    await pilot.report([failed(first!, cause)])
    await pilot.report([returned(third!)])
    // The first of them at once, so that nobody claims them meanwhile; the agent that folds counters does the rest.
    const { jobsAtOnce } = defaultLimits
    expect(await statesOf(ids)).toEqual({ failed: 1, sent: 1, cancelled: 1 + jobsAtOnce, activated: 4997 - jobsAtOnce })
    await world.look()
    expect(await pilot.take()).toEqual([])
    expect(await statesOf(ids)).toEqual({ failed: 1, sent: 1, cancelled: 4998 })
    expect(await taskOf(ids)).toMatchObject({
      state: 'finishing',
      why: expect.stringContaining(`fail like ${first!.jobId}: ModuleNotFoundError: No module named numpy`),
    })
    for (const message of await errorsOf(ids)) expect(message).toMatch(/^t\d+ was stopped/)
    await pilot.report([finished(second!)])
    await world.look()
    expect(await taskOf(ids)).toMatchObject({ state: 'finished' })
  },
)

test('an error of the function itself stops nothing, nor does a failure that is tried again', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  const ids = [...(await place.submit(2)), ...(await place.submit(2, { attempts: { user: 2, site: 3, lost: 5 } }))]
  const [one, two, three, four] = await pilot.take()
  await pilot.report([failed(one!, 'user'), failed(three!, 'bundle')])
  await world.look()
  expect(await statesOf(ids)).toEqual({ failed: 1, sent: 2, activated: 1 })
  await pilot.report([finished(two!), finished(four!)])
  await world.pass(2)
  const [again] = await pilot.take()
  expect(again).toMatchObject({ jobId: three!.jobId, attempt: 2 })
  await pilot.report([finished(again!)])
})

test('a call of its own fails, and that is all', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  const ids = await place.submit(1)
  const [only] = await pilot.take()
  await pilot.report([failed(only!)])
  await world.look()
  expect(await taskOf(ids)).toEqual({ id: expect.any(Number), state: 'failed', why: null })
})

test('jobs that were still to come to a task that was stopped do not', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  const ids = await place.submit(1, { open: true })
  const [only] = await pilot.take()
  await pilot.report([failed(only!)])
  const { id } = await taskOf(ids)
  const more = { firstIndex: 1, jobs: [{ args: { text: '{}' } }], close: true }
  await expect(addJobs(world.first, place.ann, id, more)).rejects.toMatchObject({ code: 'task_closed' })
  await world.look()
  expect(await taskOf(ids)).toMatchObject({ state: 'failed' })
})

test('what waits for other jobs is cancelled too, and what had finished stays', async () => {
  const place = await world.place()
  const pilot = await place.pilot()
  const [first] = await place.submit(1)
  const after = [`j${first!}` as const]
  const jobs = [{ args: { text: '{}' } }, { args: { text: '{}' } }, { args: { text: '{}' }, after }]
  const ids = await place.submit(3, { jobs })
  const [waited, done, bad] = await pilot.take()
  expect([waited, done, bad].map((job) => readId('j', job!.jobId))).toEqual([first, ids[0], ids[1]])
  await pilot.report([finished(done!), failed(bad!)])
  await world.look()
  expect(await statesOf(ids)).toEqual({ finished: 1, failed: 1, cancelled: 1 })
  expect(await taskOf(ids)).toMatchObject({ state: 'finished' })
  await pilot.report([finished(waited!)])
})
