import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Held, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import type { Report } from '../../contract/pilots.ts'
import { sql } from '../../store/db.ts'
import { getTrouble, listTroubles, taskTroubles } from '../views/troubles.ts'
import { foldTroubles } from './foldTroubles.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let place: Awaited<ReturnType<typeof world.place>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  expect(await brokenInvariants(world.first.db)).toEqual([])
  expect(await wrongSums()).toEqual([])
})
afterAll(() => world.close())

/** What is folded and what is not yet are together all attempts that failed or were lost; the parts of a trouble are as many as itself. */
const wrongSums = () =>
  world.first.db.rows(sql`
    with n as (
      select (select count(*) from attempt where ending in ('failed', 'lost')) as ended,
             (select coalesce(sum(attempts), 0) from trouble) as told, (select coalesce(sum(attempts), 0) from trouble_delta) as waiting,
             (select coalesce(sum(attempts), 0) from trouble_hour) as hours, (select coalesce(sum(attempts), 0) from trouble_host) as hosts,
             (select coalesce(sum(attempts), 0) from trouble_user) as users, (select coalesce(sum(attempts), 0) from task_trouble) as tasks,
             (select coalesce(sum(tasks), 0) from trouble) as known_tasks, (select count(*) from task_trouble) as there_tasks,
             (select coalesce(sum(users), 0) from trouble) as known_users, (select count(*) from trouble_user) as there_users)
    select * from n where ended <> told + waiting or told <> hours or told <> hosts or told <> users or told <> tasks
      or known_tasks <> there_tasks or known_users <> there_users`)

const failed = ({ jobId, attempt }: Held, message: string, cause: Report['cause'] = 'user'): Report => ({
  ...{ jobId, attempt, what: 'failed', cause },
  error: { type: 'FitError', message, stack: 'at fit' },
})

const ask = { limit: 50 }
const deltas = async () =>
  (await world.first.db.row<{ n: number }>(sql`select count(*)::int as n from trouble_delta`))!.n

test('a thousand failures of one kind in one report are one row, and one trouble with all of them', async () => {
  place = await world.place()
  const ids = await place.submit(1000)
  const pilot = await place.pilot({ host: 'node7' })
  const jobs = await pilot.take()
  await pilot.report(jobs.map((job) => failed(job, `no minimum after ${job.index} steps in /data/${job.index}.root`)))
  expect(await deltas()).toBe(1)
  await world.look()
  const { items } = await listTroubles(world.first, place.ann, { ...ask, queue: place.queue })
  expect(items).toMatchObject([
    { cause: 'user', fingerprint: 'FitError: no minimum after # steps in …', attempts: 1000, tasks: 1, users: 1 },
  ])
  expect(items[0]!.queues).toEqual([place.queue])
  expect(items[0]!.course.at(-1)).toBe(1000)
  const trouble = await getTrouble(world.first, place.ann, Number(items[0]!.id.slice(1)), {})
  expect(trouble.hosts).toMatchObject([{ host: 'node7', queue: place.queue, attempts: 1000 }])
  expect(trouble.people).toEqual([{ name: 'ann', attempts: 1000 }])
  expect(trouble.jobs[0]).toMatchObject({ owner: 'ann', state: 'failed', attempt: 1, host: 'node7' })
  expect(trouble.jobs[0]!.error).toMatch(/^FitError: no minimum after \d+ steps/)
  const task = await world.first.db.row<{ id: number }>(sql`select task_id as id from job where id = ${ids[0]}`)
  expect((await taskTroubles(world.first, place.ann, task!.id)).items).toMatchObject([
    { id: items[0]!.id, attempts: 1000, cause: 'user' },
  ])
})

test('each way to fail is told: by the payload, by the place, and by a pilot that falls silent', async () => {
  place = await world.place()
  await place.submit(3, { attempts: { user: 1, site: 1, lost: 1 } })
  const pilot = await place.pilot()
  const [one, two] = await pilot.take()
  await pilot.report([failed(one!, 'not finite'), failed(two!, 'no disk', 'site')])
  await world.pass(200)
  const { items } = await listTroubles(world.first, place.ann, { ...ask, queue: place.queue })
  expect(items.map(({ cause, fingerprint, attempts }) => [cause, fingerprint, attempts]).sort()).toEqual([
    ['lost', 'Lost: its pilot is silent since #', 1],
    ['site', 'FitError: no disk', 1],
    ['user', 'FitError: not finite', 1],
  ])
  const lost = await listTroubles(world.first, place.ann, { ...ask, queue: place.queue, cause: 'lost' })
  expect(lost.items).toHaveLength(1)
})

test('what was given back or cancelled is no trouble', async () => {
  place = await world.place()
  await place.submit(2)
  const pilot = await place.pilot()
  const [one] = await pilot.take({ jobs: 1 })
  await pilot.report([{ jobId: one!.jobId, attempt: one!.attempt, what: 'returned' }])
  await pilot.leave()
  expect(await deltas()).toBe(0)
})

test('a window shows what happened in it, by its steps', async () => {
  place = await world.place()
  await place.submit(2)
  const pilot = await place.pilot({ slots: 1 })
  const from = world.now()
  await pilot.report([failed((await pilot.take())[0]!, 'first')])
  world.jump(7200)
  await pilot.renew()
  const between = world.now()
  await pilot.report([failed((await pilot.take())[0]!, 'second')])
  await world.look()
  const list = async (window: object) =>
    (await listTroubles(world.first, place.ann, { ...ask, queue: place.queue, ...window })).items
  expect(await list({ from: from.toISOString() })).toMatchObject([
    { text: 'FitError: second', attempts: 1, course: [0, 0, 1] },
    { text: 'FitError: first', attempts: 1, course: [1, 0, 0] },
  ])
  expect(await list({ from: between.toISOString() })).toMatchObject([{ text: 'FitError: second' }])
  expect(await list({ from: '2999-01-01T00:00:00Z' })).toEqual([])
  expect(await list({ from: '1000-01-01T00:00:00Z', to: '1000-01-02T00:00:00Z' })).toEqual([])
})

test('a task whose messages are all different has some kinds of its own, and the rest together', async () => {
  place = await world.place()
  await place.submit(200)
  const pilot = await place.pilot()
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  const wordOf = (i: number) => `${letters[i % 26]}${letters[Math.floor(i / 26)]}z`
  await pilot.report((await pilot.take()).map((job, i) => failed(job, `never seen ${wordOf(i)}`)))
  await world.look()
  const { items } = await listTroubles(world.first, place.ann, { limit: 200, queue: place.queue })
  expect(items).toHaveLength(51)
  expect(items[0]).toMatchObject({ attempts: 150, fingerprint: 'Others: too many kinds' })
})

test('who folds at once folds each of them once', async () => {
  place = await world.place()
  const other = await world.server()
  await place.submit(60)
  const pilot = await place.pilot()
  for (const job of await pilot.take()) await pilot.report([failed(job, 'one by one')])
  expect(await deltas()).toBe(60)
  await Promise.all([foldTroubles(world.first), foldTroubles(other), foldTroubles(world.first)])
  await world.look()
  const { items } = await listTroubles(world.first, place.ann, { ...ask, queue: place.queue })
  expect(items.map((trouble) => trouble.attempts)).toEqual([60])
})

test('an error that the database could not hold as text is told all the same', async () => {
  place = await world.place()
  await place.submit(2)
  const pilot = await place.pilot()
  const [one, two] = await pilot.take()
  await pilot.report([failed(one!, 'nul \u0000 and half \ud800'), failed(two!, '')])
  await world.look()
  const { items } = await listTroubles(world.first, place.ann, { ...ask, queue: place.queue })
  expect(items.map((trouble) => trouble.text).sort()).toEqual(['FitError: ', 'FitError: nul and half \ufffd'])
})
