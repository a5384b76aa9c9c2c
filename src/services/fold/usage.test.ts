import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import type { Report } from '../../contract/pilots.ts'
import { newTask } from '../../contract/tasks.ts'
import { usageQuery } from '../../contract/usage.ts'
import { newWorkflow } from '../../contract/workflows.ts'
import { sql } from '../../store/db.ts'
import { ensurePerson } from '../../store/people.ts'
import { admitToken, authenticate } from '../access/authenticate.ts'
import { cancelTask } from '../steer/cancel.ts'
import { retryJob } from '../steer/retry.ts'
import { submitTask } from '../submit/submitTask.ts'
import { usageReport, usageTable } from '../views/usage.ts'
import { createWorkflow } from '../workflows/workflows.ts'
import { foldUsage, forgetMinutes } from './foldUsage.ts'

/**
 * Real work of two owners on two queues of two sites, with labels, failures, retries, losses and cancels; then what reports say is compared with the rows of its jobs and
 * attempts.
 */
let world: Awaited<ReturnType<typeof startWorld>>
let ann: Awaited<ReturnType<typeof authenticate>>
type Held = { jobId: `j${number}`; attempt: number }

const usageOf = (i: number) => ({ wallSeconds: 10 + i, cpuSeconds: 5 + i / 2 })
const well = (held: Held, i: number): Report => ({ ...finished(held, i), usage: usageOf(i) })
const badly = ({ jobId, attempt }: Held, cause: Report['cause'], i: number): Report => ({
  ...{ jobId, attempt, what: 'failed', cause, exitCode: 1 },
  error: { type: 'E', message: 'm' },
  usage: usageOf(i),
})

const person = async (name: string) => {
  const { db, clock } = world.first
  const personId = await ensurePerson(db, { experimentId: 1, name, admin: false, now: clock() })
  await admitToken(world.first, `token of ${name}`, { personId, note: 'test' })
  return authenticate(world.first, `Bearer token of ${name}`)
}

const submit = async (owner: typeof ann, queue: string, n: number, labels: Record<string, string>, more = {}) => {
  const workflow = { name: 'w', kind: 'tasks', labels: { campaign: 'north', run: '1' } }
  const { workflowId } = await createWorkflow(world.first, owner, newWorkflow.parse(workflow))
  const jobs = Array.from({ length: n }, () => ({ args: { text: '{}' } }))
  const payload = { kind: 'command', command: ['true'] }
  const task = newTask.parse({ workflowId, name: 't', queue, payload, jobs, labels, ...more })
  return submitTask(world.first, owner, task)
}

const foldAll = async () => {
  await world.look()
  while (await foldUsage(world.first));
}

const finishAll = async (pilot: ScriptedPilot) => {
  const jobs = await pilot.take()
  await pilot.report(jobs.map(well))
}

beforeAll(async () => {
  world = await startWorld()
  const here = await world.place()
  const there = await world.place()
  await world.first.db.script(
    `insert into site (name) values ('far'); update queue set site_id = (select id from site where name = 'far') where name = '${there.queue}'`,
  )
  ann = here.ann
  const bob = await person('bob')
  const near = await here.pilot()
  const far = await there.pilot()

  // The hot way: a batch of two tasks; and, since some wait for it, the way by the door.
  const first = await submit(ann, here.queue, 20, { run: '2' })
  await submit(bob, here.queue, 10, {})
  await submit(ann, here.queue, 0, {}, { jobs: [{ args: { text: '{}' }, after: [first.firstJobId!] }] })
  await finishAll(near)
  await world.look()
  await finishAll(near)

  // Failures for good, failures that are tried again, and one that is given back.
  await submit(bob, there.queue, 5, { run: '3', 'a/b': '=1' })
  const [user, site, back, ...good] = await far.take()
  await far.report([badly(user!, 'user', 1), badly(site!, 'site', 2), { ...back!, what: 'returned' }])
  await far.report(good.map(well))
  await world.pass(120, { heard: [far, near] })
  await finishAll(far)

  // A loss for good after one of which nothing came of, since its pilot came back.
  const attempts = { user: 1, site: 1, lost: 1 }
  await submit(ann, there.queue, 2, {}, { attempts, lostAfterSeconds: 60 })
  const silent = await there.pilot({ slots: 1 })
  await silent.take()
  await submit(ann, here.queue, 1, { run: '9' }, { attempts: { user: 1, site: 3, lost: 5 }, lostAfterSeconds: 60 })
  const returning = await here.pilot({ slots: 1 })
  const [kept] = await returning.take()
  await world.pass(200, { heard: [far, near] })
  await returning.report([well(kept!, 3)])

  // Cancelled while it waits, and a failure that somebody retries.
  const waiting = await submit(bob, here.queue, 4, { run: '4' })
  await cancelTask(world.first, bob, Number(waiting.taskId.slice(1)), 'no more')
  await finishAll(far)
  await submit(ann, here.queue, 3, {})
  const again = await near.take()
  await near.report(again.map((held, i) => badly(held, 'user', i)))
  await world.look()
  world.jump(4000)
  for (const pilot of [near, far]) await pilot.renew()
  await retryJob(world.first, ann, Number(again[0]!.jobId.slice(1)), 'once more')
  await finishAll(near)
  await foldAll()
})

afterAll(() => world.close())

/** What the rows say: their attempts, and their jobs by the queue of the last attempt. */
const counted = async (key: string) => {
  const text = `
    with tries as (
      select a.job_id, a.attempt, a.ending, coalesce(a.cause, '') as cause, a.pilot_id, a.wall_seconds::float8 as wall, a.cpu_seconds::float8 as cpu, t.owner_id, t.labels
      from attempt a join job j on j.id = a.job_id join task t on t.id = j.task_id),
    ends as (
      select j.id, j.state as ending, coalesce(r.cause, '') as cause, a.pilot_id, t.owner_id, t.labels
      from job j join result r on r.job_id = j.id join task t on t.id = j.task_id left join attempt a on a.job_id = j.id and a.attempt = j.attempt
      where j.state in ('finished', 'failed', 'cancelled')),
    rows as (
      select owner_id, pilot_id, labels, ending, cause, 1 as attempts, 0 as jobs, wall, cpu from tries
      union all select owner_id, pilot_id, labels, ending, cause, 0, 1, 0, 0 from ends)
    select ${key} as name, sum(attempts)::int as attempts, (sum(jobs) filter (where ending = 'finished'))::int as finished,
           (sum(jobs) filter (where ending = 'failed'))::int as failed, (sum(jobs) filter (where ending = 'cancelled'))::int as cancelled,
           coalesce(sum(wall), 0) as "wallSeconds", coalesce(sum(cpu), 0) as "cpuSeconds"
    from rows r left join pilot p on p.id = r.pilot_id left join queue q on q.id = p.queue_id left join site s on s.id = q.site_id
    join person o on o.id = r.owner_id group by 1`
  const rows = await world.first.db.rows<Record<string, unknown>>({ text, values: [], name: `counted ${key}` })
  return byName(
    rows.map((row) => ({
      ...row,
      finished: row.finished ?? 0,
      failed: row.failed ?? 0,
      cancelled: row.cancelled ?? 0,
    })),
  )
}

const byName = (rows: object[]) => Object.fromEntries(rows.map((row) => [String((row as { name: unknown }).name), row]))

const all = { from: '2029-12-31T00:00:00Z', to: '2030-01-03T00:00:00Z' }
const ask = (more: object) => usageReport(world.first, ann, usageQuery.parse({ ...all, ...more }))

test.each([
  ['user', 'o.name'],
  ['queue', 'q.name'],
  ['site', 's.name'],
  ['ending', 'ending'],
  ['cause', "nullif(cause, '')"],
  ['label:run', "labels ->> 'run'"],
  ['label:campaign', "labels ->> 'campaign'"],
  ['label:nobody-has-it', 'null::text'],
])('a report by %s says what the rows of jobs and attempts say', async (by, key) => {
  const { items, other } = await ask({ by })
  expect(other).toBeNull()
  expect(byName(items.map(({ series, ...row }) => row))).toEqual(await counted(key))
  expect(items.map((row) => row.wallSeconds)).toEqual(items.map((row) => row.wallSeconds).sort((a, b) => b - a))
})

test('the work had what reports tell apart', async () => {
  const names = async (by: string) => (await ask({ by })).items.map(({ name }) => name)
  expect(new Set(await names('ending'))).toEqual(new Set(['finished', 'failed', 'lost', 'returned', 'cancelled']))
  expect(new Set(await names('cause'))).toEqual(new Set([null, 'user', 'site', 'lost', 'cancelled']))
  expect(new Set(await names('label:run'))).toEqual(new Set(['1', '2', '3', '4', '9']))
  const lost = (await ask({ by: 'cause' })).items.find(({ name }) => name === 'lost')
  expect(lost, 'one was given up, the other came back').toMatchObject({ attempts: 1, failed: 1 })
})

test('hours say what days say', async () => {
  const day = { from: '2030-01-01T00:00:00Z', to: '2030-01-01T23:59:00Z', by: 'label:run' }
  const whole = await ask({ by: 'label:run' })
  expect((await ask(day)).items).toEqual(whole.items)
  expect((await ask({ ...day, step: 'day' })).items.map(({ series, ...sums }) => sums)).toEqual(
    whole.items.map(({ series, ...sums }) => sums),
  )
})

test('series add up to their group, and what is beyond the limit comes together', async () => {
  const whole = await ask({ by: 'label:run', step: 'hour' })
  for (const { series, attempts, wallSeconds } of whole.items) {
    expect(series.reduce((n, point) => n + point.attempts, 0)).toBe(attempts)
    expect(series.reduce((n, point) => n + point.wallSeconds, 0)).toBeCloseTo(wallSeconds)
  }
  expect(new Set(whole.items.flatMap(({ series }) => series.map(({ at }) => at))).size).toBeGreaterThan(1)
  const { items, other } = await ask({ by: 'label:run', step: 'day', limit: 2 })
  expect(items.map(({ name }) => name)).toEqual(whole.items.slice(0, 2).map(({ name }) => name))
  expect(other!.attempts).toBe(whole.items.slice(2).reduce((n, row) => n + row.attempts, 0))
  expect(other!.series).toHaveLength(1)
})

test('a table has all groups; a range has whole hours, an end after its begin, and no more steps than fit', async () => {
  const rows = await usageTable(world.first, ann, usageQuery.parse({ ...all, by: 'label:run', limit: 1 }))
  expect(rows).toHaveLength((await ask({ by: 'label:run' })).items.length)
  expect((await ask({ from: '2030-01-01T00:30:00Z', to: '2030-01-01T00:31:00Z' })).to).toBe('2030-01-01T01:00:00.000Z')
  expect((await ask({ from: '2030-01-02T00:00:00Z' })).items).toEqual([])
  await expect(ask({ from: '2030-01-04T00:00:00Z' })).rejects.toMatchObject({ code: 'fields_disagree' })
  await expect(ask({ from: '2029-12-01T00:00:00Z', step: 'hour' })).rejects.toMatchObject({ code: 'fields_disagree' })
})

test('people of another experiment see nothing of it', async () => {
  const { db, clock } = world.first
  const made = await db.row<{ id: number }>(sql`
    with e as (insert into experiment (name) values ('south') returning id)
    insert into team (experiment_id, name) select id, 'users' from e returning experiment_id as id`)
  const personId = await ensurePerson(db, { experimentId: made!.id, name: 'cat', admin: true, now: clock() })
  await admitToken(world.first, 'token of cat', { personId, note: 'test' })
  const cat = await authenticate(world.first, 'Bearer token of cat')
  expect((await usageReport(world.first, cat, usageQuery.parse(all))).items).toEqual([])
})

test('minutes are kept for two days, hours for ever; two that fold at once count nothing twice', async () => {
  const { db } = world.first
  const place = await world.place()
  await place.submit(10)
  const pilot = await place.pilot()
  await finishAll(pilot)
  const other = await world.server()
  await Promise.all([foldUsage(world.first), foldUsage(other)])
  await foldUsage(world.first)
  expect(
    await db.row(sql`select sum(jobs)::int as jobs from usage_by_day where by = 'queue' and ref = ${place.queueId}`),
  ).toEqual({
    jobs: 10,
  })
  const ofQueue = async (table: 'minute' | 'hour') =>
    table === 'hour'
      ? db.row(sql`select sum(jobs)::int as jobs from usage_by_hour where by = 'queue' and ref = ${place.queueId}`)
      : db.row(sql`select sum(jobs)::int as jobs from usage_minute where queue_id = ${place.queueId}`)
  expect(await ofQueue('minute')).toEqual({ jobs: 10 })
  expect(await ofQueue('hour')).toEqual({ jobs: 10 })
  world.jump(180_000)
  await forgetMinutes(world.first)
  expect(await ofQueue('minute')).toEqual({ jobs: null })
  expect(await ofQueue('hour')).toEqual({ jobs: 10 })
})
