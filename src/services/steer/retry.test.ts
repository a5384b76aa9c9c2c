import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { finished, type Held, type ScriptedPilot, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import type { Report } from '../../contract/pilots.ts'
import { newTask } from '../../contract/tasks.ts'
import { newWorkflow } from '../../contract/workflows.ts'
import type { AttemptCause } from '../../domain/job/causes.ts'
import { readId, showId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { pushRetries } from '../../store/retry.ts'
import { authenticate } from '../access/authenticate.ts'
import { foldCounters } from '../fold/foldCounters.ts'
import { submitTask } from '../submit/submitTask.ts'
import { getJob } from '../views/jobs.ts'
import { getTask } from '../views/tasks.ts'
import { getWorkflow } from '../views/workflows.ts'
import { keepRecord, readJournal } from '../workflows/journal.ts'
import { cancelWorkflow, closeWorkflow, createWorkflow, endWorkflow, renewDriver } from '../workflows/workflows.ts'
import { cancelJob, cancelTask } from './cancel.ts'
import { retryJob, retryTask, retryWorkflow } from './retry.ts'
import { goOnRetrying, retryPage } from './rounds.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  await world.look()
  expect(await brokenInvariants(world.first.db)).toEqual([])
})
afterAll(() => world.close())

type Place = Awaited<ReturnType<typeof world.place>>

const failed = ({ jobId, attempt }: Held, cause: AttemptCause = 'user'): Report => ({
  ...{ jobId, attempt, what: 'failed', cause },
  error: { type: 'ValueError', message: 'no data' },
})

const statesOf = async (ids: number[]) =>
  (
    await world.first.db.rows<{ state: string }>(
      sql`select state from job where id = any(${ids}::bigint[]) order by id`,
    )
  ).map(({ state }) => state)

const taskOf = async (jobId: number): Promise<number> =>
  (await world.first.db.row<{ id: number }>(sql`select task_id as id from job where id = ${jobId}`))!.id

const taskState = async (jobId: number) => {
  await world.look()
  return (await world.first.db.row<{ state: string; round: number }>(
    sql`select state, round from task where id = ${await taskOf(jobId)}`,
  ))!
}

const js = (...ids: number[]) => ids.map((id) => showId('j', id))

const retry = {
  task: async ({ ann }: Place, jobId: number) => retryTask(world.first, ann, await taskOf(jobId), 'again'),
  job: ({ ann }: Place, jobId: number) => retryJob(world.first, ann, jobId, 'again'),
  workflow: ({ ann }: Place, id: number) => retryWorkflow(world.first, ann, id, 'again'),
}

/** Fails all that the pilot can get, until nothing comes. */
const failAll = async (pilot: ScriptedPilot, cause?: AttemptCause) => {
  for (let some = await pilot.take(); some.length > 0; some = await pilot.take())
    await pilot.report(some.map((job) => failed(job, cause)))
  await world.look()
}

const finishAll = async (pilot: ScriptedPilot) => {
  for (let some = await pilot.take(); some.length > 0; some = await pilot.take()) {
    await pilot.report(some.map((job) => finished(job, 1)))
    await world.look()
  }
}

const refused = (asked: Promise<unknown>, message: RegExp) =>
  expect(asked).rejects.toMatchObject({ code: 'not_retriable', message: expect.stringMatching(message) })

describe('a task', () => {
  test('that failed in part runs what failed once more, and is done', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(3)
    const [one, two, three] = await pilot.take()
    await pilot.report([finished(one!), failed(two!), failed(three!)])
    await cancelJob(world.first, place.ann, ids[2]!, 'no').catch(() => {})
    expect(await taskState(ids[0]!)).toEqual({ state: 'finished', round: 0 })
    expect(await retry.task(place, ids[0]!)).toEqual({ retried: 2 })
    expect(await statesOf(ids)).toEqual(['finished', 'activated', 'activated'])
    const job = await getJob(world.first, place.ann, ids[1]!)
    expect(job).toMatchObject({ state: 'activated', attempt: 1, error: null, cause: null })
    expect(await taskState(ids[0]!)).toEqual({ state: 'running', round: 1 })
    expect(await pilot.take()).toMatchObject([{ jobId: two!.jobId, attempt: 2 }, { attempt: 2 }])
    await pilot.report([two!, three!].map(({ jobId }) => finished({ jobId, attempt: 2 }, 'late')))
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 1 })
    expect(await getJob(world.first, place.ann, ids[1]!)).toMatchObject({ value: { text: '"late"' }, error: null })
  })

  test('has the whole budget of attempts in each round', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(1, { attempts: { user: 2, site: 3, lost: 5 } })
    for (const round of [1, 2, 3]) {
      for (const attempt of [2 * round - 1, 2 * round]) {
        await world.pass(5)
        const [job] = await pilot.take()
        expect(job).toMatchObject({ attempt })
        await pilot.report([failed(job!)])
      }
      expect(await taskState(ids[0]!)).toEqual({ state: 'failed', round: round - 1 })
      expect(await retry.task(place, ids[0]!)).toEqual({ retried: 1 })
    }
    await finishAll(pilot)
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 3 })
  })

  test('that was cancelled runs again, but for what had finished', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(3)
    const [one] = await pilot.take({ jobs: 1 })
    await pilot.report([finished(one!)])
    await cancelTask(world.first, place.ann, await taskOf(ids[0]!), 'enough')
    expect(await taskState(ids[0]!)).toMatchObject({ state: 'aborted' })
    expect(await retry.task(place, ids[0]!)).toEqual({ retried: 2 })
    await finishAll(pilot)
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 1 })
  })

  test('that was stopped, since its jobs would all have failed alike, begins them all', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(20)
    const [one] = await pilot.take({ jobs: 1 })
    await pilot.report([failed(one!, 'bundle')])
    expect(await taskState(ids[0]!)).toMatchObject({ state: 'failed' })
    expect(await retry.task(place, ids[0]!)).toEqual({ retried: 20 })
    await finishAll(pilot)
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 1 })
  })

  test('does not end by counters that do not know yet what has come back', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(2)
    const [one, two] = await pilot.take()
    await pilot.report([finished(one!), failed(two!)])
    // Nothing is folded yet, so its task is under way. What is folded first says that the last of its jobs has failed, and not that it came back.
    expect(await retry.job(place, ids[1]!)).toEqual({ retried: 1 })
    await world.first.db.run(sql`create table later as select * from task_delta where came_back is not null`)
    await world.first.db.run(sql`delete from task_delta where came_back is not null`)
    while (await foldCounters(world.first));
    expect(await world.first.db.row(sql`select state from task where id = ${await taskOf(ids[0]!)}`)).not.toMatchObject(
      {
        state: 'finished',
      },
    )
    await world.first.db.run(sql`insert into task_delta select * from later`)
    await world.first.db.run(sql`drop table later`)
    await finishAll(pilot)
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 0 })
  })
})

describe('what was cancelled for what failed', () => {
  test('comes back with it, and waits for it again', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const [a] = await place.submit(1)
    const [b] = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: js(a!) }] })
    const [c, alone] = await place.submit(2, {
      jobs: [{ args: { text: '{}' }, after: js(b!) }, { args: { text: '{}' } }],
    })
    await failAll(pilot)
    expect(await statesOf([a!, b!, c!, alone!])).toEqual(['failed', 'cancelled', 'cancelled', 'failed'])
    expect(await retry.job(place, a!)).toEqual({ retried: 3 })
    expect(await statesOf([a!, b!, c!, alone!])).toEqual(['activated', 'pending', 'pending', 'failed'])
    expect(await taskState(c!)).toEqual({ state: 'running', round: 1 })
    await finishAll(pilot)
    expect(await statesOf([a!, b!, c!, alone!])).toEqual(['finished', 'finished', 'finished', 'failed'])
    expect(await taskState(c!)).toEqual({ state: 'finished', round: 1 })
  })

  test('comes back in another workflow too, which is under way again with it', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const body = newWorkflow.parse({ name: 'other', kind: 'tasks' })
    const { workflowId } = await createWorkflow(world.first, place.ann, body)
    const [a] = await place.submit(1)
    const [b] = await place.submit(1, { workflowId, jobs: [{ args: { text: '{}' }, after: js(a!) }] })
    const [c] = await place.submit(1, { workflowId, after: [showId('t', await taskOf(a!))] })
    const other = readId('w', workflowId)!
    await closeWorkflow(world.first, place.ann, other)
    const state = async () => (await getWorkflow(world.first, place.ann, other)).state
    await failAll(pilot)
    await world.look()
    expect([await statesOf([a!, b!, c!]), await state()]).toEqual([['failed', 'cancelled', 'cancelled'], 'failed'])
    expect(await retry.task(place, a!)).toEqual({ retried: 1 })
    while (await goOnRetrying(world.first));
    expect([await statesOf([a!, b!, c!]), await state()]).toEqual([['activated', 'pending', 'pending'], 'running'])
    await finishAll(pilot)
    await world.look()
    expect([await statesOf([a!, b!, c!]), await state()]).toEqual([['finished', 'finished', 'finished'], 'done'])
  })

  test('waits until the last of what it needs is retried', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const [a, b] = await place.submit(2)
    const [c] = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: js(a!, b!) }] })
    await failAll(pilot)
    expect(await retry.job(place, a!)).toEqual({ retried: 1 })
    expect(await statesOf([a!, b!, c!])).toEqual(['activated', 'failed', 'cancelled'])
    await finishAll(pilot)
    await refused(
      retry.job(place, c!),
      new RegExp(
        `^nothing of j${c} can run, since j${b}, which it needs, is failed: culm retry j${b} brings back what waits for it$`,
      ),
    )
    expect(await retry.job(place, b!)).toEqual({ retried: 2 })
    expect(await statesOf([a!, b!, c!])).toEqual(['finished', 'activated', 'pending'])
    await finishAll(pilot)
    expect(await statesOf([c!])).toEqual(['finished'])
  })

  test('is cancelled again when it fails again', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const [a] = await place.submit(1)
    const [b] = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: js(a!) }] })
    await failAll(pilot)
    await retry.task(place, a!)
    await failAll(pilot)
    expect(await statesOf([a!, b!])).toEqual(['failed', 'cancelled'])
    expect(await taskState(b!)).toEqual({ state: 'failed', round: 1 })
  })

  test('comes back over whole tasks, through their edges', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const first = await place.submit(2)
    const t1 = showId('t', await taskOf(first[0]!))
    const second = await place.submit(2, { after: [t1] })
    const t2 = showId('t', await taskOf(second[0]!))
    const third = await place.submit(2, {
      after: [t1, t2],
      jobs: [{ args: { text: '{}' }, after: js(first[0]!) }, { args: { text: '{}' } }],
    })
    const [one, two] = await pilot.take()
    await pilot.report([failed(one!), failed(two!)])
    await world.look()
    await world.look()
    expect(await taskState(third[0]!)).toMatchObject({ state: 'failed' })
    await refused(retry.task(place, third[0]!), /culm retry [jt]\d+ brings back what waits for it$/)
    // One of two: its task cannot be done, so what waits for that stays.
    expect(await retry.job(place, first[0]!)).toEqual({ retried: 1 })
    await finishAll(pilot)
    expect(await taskState(first[0]!)).toEqual({ state: 'finished', round: 1 })
    expect(await statesOf([...second, ...third])).toEqual(new Array(4).fill('cancelled'))
    expect(await retry.task(place, first[0]!)).toEqual({ retried: 5 })
    expect(await statesOf([...second, ...third])).toEqual(new Array(4).fill('pending'))
    expect(await taskState(third[0]!)).toEqual({ state: 'pending', round: 1 })
    await finishAll(pilot)
    expect(await taskState(third[0]!)).toEqual({ state: 'done', round: 1 })
  })

  test('stays when a person has cancelled it', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const [a] = await place.submit(1)
    const [b, c] = await place.submit(2, {
      jobs: [
        { args: { text: '{}' }, after: js(a!) },
        { args: { text: '{}' }, after: js(a!) },
      ],
    })
    await cancelJob(world.first, place.ann, b!, 'not this one')
    await failAll(pilot)
    expect(await retry.job(place, a!)).toEqual({ retried: 2 })
    expect(await statesOf([a!, b!, c!])).toEqual(['activated', 'cancelled', 'pending'])
  })
})

describe('a job', () => {
  test('is retried beside others that still run', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(2)
    const [one, two] = await pilot.take()
    await pilot.report([failed(one!)])
    await world.look()
    await refused(retry.job(place, ids[1]!), /^j\d+ is sent: it can be retried when it has ended$/)
    await refused(retry.task(place, ids[0]!), /^t\d+ is running: it can be retried when it has ended$/)
    expect(await retry.job(place, ids[0]!)).toEqual({ retried: 1 })
    await pilot.report([finished(two!)])
    await finishAll(pilot)
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 0 })
    await refused(retry.job(place, ids[0]!), /^j\d+ is finished, which leaves nothing to run again$/)
  })

  test('is not retried while its task is being cancelled, nor one that nobody knows', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await place.submit(2)
    const [one] = await pilot.take()
    await pilot.report([failed(one!)])
    await cancelTask(world.first, place.ann, await taskOf(ids[0]!), 'enough')
    await refused(retry.job(place, ids[0]!), /^t\d+ of j\d+ is aborting still: ask again when it has ended$/)
    await expect(retry.job(place, 1e9)).rejects.toMatchObject({ code: 'job_unknown' })
    await expect(retryTask(world.first, place.ann, 1e9, '')).rejects.toMatchObject({ code: 'task_unknown' })
    await pilot.report([{ jobId: `j${ids[1]!}`, attempt: 1, what: 'cancelled' }])
  })
})

describe('a workflow', () => {
  const workflowOf = (place: Place, id = place.workflowId) => getWorkflow(world.first, place.ann, readId('w', id)!)

  test('of tasks runs all that failed, and ends anew with the last of them', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const id = readId('w', place.workflowId)!
    const [a] = await place.submit(2)
    const t1 = showId('t', await taskOf(a!))
    await place.submit(1, { after: [t1] })
    const [one, two] = await pilot.take()
    await pilot.report([finished(one!), failed(two!)])
    await closeWorkflow(world.first, place.ann, id)
    // First it is said that the one has failed, then that what waited for it was cancelled.
    await world.look()
    await world.look()
    expect(await workflowOf(place)).toMatchObject({ state: 'finished', tasks: { total: 2, ended: 2, failed: 2 } })
    expect(await retry.workflow(place, id)).toEqual({ retried: 2 })
    await world.look()
    expect(await workflowOf(place)).toMatchObject({ state: 'running', tasks: { total: 2, ended: 0, failed: 0 } })
    await refused(retry.workflow(place, id), /^w\d+ is running: it can be retried when it has ended$/)
    await finishAll(pilot)
    expect(await workflowOf(place)).toMatchObject({ state: 'done', tasks: { total: 2, ended: 2, failed: 0 } })
    await refused(retry.workflow(place, id), /^w\d+ is done, which leaves nothing to run again$/)
  })

  test('that was cancelled is under way again with the first of its tasks, and takes no new ones', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const id = readId('w', place.workflowId)!
    const [a] = await place.submit(1)
    const [b] = await place.submit(1)
    await cancelWorkflow(world.first, place.ann, id, 'enough')
    await world.look()
    expect(await retry.task(place, a!)).toEqual({ retried: 1 })
    expect(await workflowOf(place)).toMatchObject({ state: 'running' })
    await expect(place.submit(1)).rejects.toMatchObject({ code: 'workflow_ended' })
    await finishAll(pilot)
    expect(await workflowOf(place)).toMatchObject({ state: 'finished' })
    expect(await statesOf([a!, b!])).toEqual(['finished', 'cancelled'])
    await cancelWorkflow(world.first, place.ann, id, 'enough').catch(() => {})
    expect(await retry.workflow(place, id)).toEqual({ retried: 1 })
    await finishAll(pilot)
    expect(await workflowOf(place)).toMatchObject({ state: 'done' })
  })

  const payload = { kind: 'command' as const, command: ['true'] }

  test('whose function is a job runs that again, after the calls that had failed', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const { workflowId, job } = await createWorkflow(
      world.first,
      place.ann,
      newWorkflow.parse({
        name: 'f',
        kind: 'job',
        task: { name: 'f', payload, queue: place.queue, args: { text: '{}' } },
      }),
    )
    const [root] = await pilot.take()
    const inner = await authenticate(world.first, `Bearer ${root!.token}`)
    const call = (key: string, n: number) =>
      submitTask(
        world.first,
        inner,
        newTask.parse({
          ...{ workflowId, queue: place.queue, name: 'step', payload, call: { key, epoch: 1 } },
          jobs: Array.from({ length: n }, () => ({ args: { text: '{}' } })),
        }),
      )
    const good = await call('good:1', 1)
    const bad = await call('bad:1', 2)
    const [one, two, three] = await pilot.take()
    await pilot.report([finished(one!), failed(two!)])
    await pilot.report([failed(root!)])
    await world.look()
    const id = readId('w', workflowId)!
    expect(await workflowOf(place, workflowId)).toMatchObject({ state: 'failed', error: { message: 'no data' } })
    await refused(retry.workflow(place, id), /is under way still: ask again when it has ended$/)
    await pilot.report([{ jobId: three!.jobId, attempt: 1, what: 'cancelled' }])
    await world.look()
    await refused(
      retryTask(world.first, place.ann, readId('t', bad.taskId)!, ''),
      new RegExp(`culm retry ${workflowId}`),
    )
    await refused(
      retryJob(world.first, place.ann, readId('j', job!.jobId)!, ''),
      new RegExp(`culm retry ${workflowId}`),
    )
    expect(await retry.workflow(place, id)).toEqual({ retried: 3 })
    expect(await workflowOf(place, workflowId)).toMatchObject({ state: 'running', error: null, value: null })
    const entries = (await readJournal(world.first, place.ann, id, { scope: job!.jobId, after: 0, limit: 100 })).items
    expect(entries.map(({ taskId, outcome, earlier }) => [taskId, outcome?.state, earlier])).toEqual([
      [good.taskId, 'finished', true],
      [bad.taskId, undefined, true],
    ])
    const [again] = (await pilot.take()).filter((taken) => taken.jobId === job!.jobId)
    expect(again).toMatchObject({ attempt: 2 })
    await pilot.report([...pilot.held.values()].filter((h) => h.jobId !== job!.jobId).map((h) => finished(h)))
    await pilot.report([finished(again!, 'value')])
    await world.look()
    expect(await workflowOf(place, workflowId)).toMatchObject({ state: 'done', value: { text: '"value"' } })
  })

  test('whose program is a person’s runs its calls again, and waits for the program', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const run = { id: randomUUID(), key: 'm#f:0', program: 'scan.py', code: '1'.repeat(64) }
    const start = (more: object = {}) =>
      createWorkflow(
        world.first,
        place.ann,
        newWorkflow.parse({ name: 'f', kind: 'function', run: { ...run, ...more } }),
      )
    const { workflowId, epoch } = await start()
    const id = readId('w', workflowId)!
    const call = { key: 'step:1', epoch }
    const task = newTask.parse({
      ...{ workflowId, queue: place.queue, name: 'step', payload, call },
      jobs: [{ args: { text: '{}' } }, { args: { text: '{}' } }],
    })
    await submitTask(world.first, place.ann, task)
    const record = (key: string, value: string, by: number) =>
      keepRecord(world.first, place.ann, id, { key, value, epoch: by })
    await record('now:1', '1', 1)
    await record('once:1', '{"error":{}}', 1)
    const [one, two] = await pilot.take()
    await pilot.report([finished(one!), failed(two!)])
    await endWorkflow(world.first, place.ann, id, { epoch, state: 'failed', error: { type: 'E', message: 'no' } })
    await world.look()
    await expect(start()).rejects.toMatchObject({
      code: 'workflow_ended',
      message: expect.stringContaining('culm retry'),
    })
    expect(await retry.workflow(place, id)).toEqual({ retried: 1 })
    expect(await workflowOf(place, workflowId)).toMatchObject({ state: 'paused', error: null })
    await expect(renewDriver(world.first, place.ann, id, epoch)).rejects.toMatchObject({ code: 'driver_replaced' })
    // The program was mended, which is why it is retried.
    const next = await start({ code: '2'.repeat(64) })
    expect(next).toMatchObject({ workflowId, epoch: 3, known: true })
    expect(
      (await readJournal(world.first, place.ann, id, { scope: 'driver', after: 0, limit: 9 })).items,
    ).toMatchObject([
      { key: 'step:1', earlier: true },
      { key: 'now:1', earlier: true },
      { key: 'once:1', earlier: true },
    ])
    expect(await record('once:1', '{"value":7}', 3)).toEqual({ value: '{"value":7}', known: false })
    expect(await record('once:1', '{"value":8}', 3)).toEqual({ value: '{"value":7}', known: true })
    expect(
      (await readJournal(world.first, place.ann, id, { scope: 'driver', after: 0, limit: 9 })).items,
    ).toMatchObject([
      { key: 'step:1', earlier: true },
      { key: 'now:1', earlier: true },
      { key: 'once:1', earlier: false, value: '{"value":7}' },
    ])
    await expect(start({ code: '3'.repeat(64) })).rejects.toMatchObject({ code: 'code_changed' })
    await finishAll(pilot)
    await endWorkflow(world.first, place.ann, id, { epoch: 3, state: 'done' })
    expect(await workflowOf(place, workflowId)).toMatchObject({ state: 'done' })
  })

  test('a call of a job is retried with its caller', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const [caller] = await place.submit(1)
    const [root] = await pilot.take()
    const inner = await authenticate(world.first, `Bearer ${root!.token}`)
    const { taskId } = await submitTask(
      world.first,
      inner,
      newTask.parse({
        ...{ workflowId: place.workflowId, queue: place.queue, name: 'step', payload, call: { key: 'k:1', epoch: 1 } },
        jobs: [{ args: { text: '{}' } }],
      }),
    )
    await failAll(pilot)
    await pilot.report([failed(root!)])
    await world.look()
    await refused(retryTask(world.first, place.ann, readId('t', taskId)!, ''), new RegExp(`culm retry j${caller}`))
    expect(await retry.job(place, caller!)).toEqual({ retried: 2 })
    expect(await getTask(world.first, place.ann, readId('t', taskId)!)).toMatchObject({ state: 'ready', round: 1 })
    await finishAll(pilot)
    expect(await taskState(caller!)).toEqual({ state: 'done', round: 1 })
  })
})

describe('a large task', () => {
  const cancelled = async (place: Place, n: number) => {
    const ids = await place.submit(n)
    await cancelTask(world.first, place.ann, await taskOf(ids[0]!), 'enough')
    await world.look()
    return ids
  }

  test('of many pages ends only when all of it has come back, whoever goes on with it', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await cancelled(place, 2300)
    const taskId = await taskOf(ids[0]!)
    await pushRetries(
      world.first.db,
      readId('w', place.workflowId)!,
      [{ taskId, jobId: null, orphans: false, why: 'by who dies' }],
      world.now(),
    )
    expect(await retryPage(world.first, readId('w', place.workflowId)!)).toBe(1000)
    await finishAll(pilot)
    expect(await brokenInvariants(world.first.db)).toEqual([])
    expect(await taskState(ids[0]!)).toMatchObject({ state: 'running' })
    expect(await goOnRetrying(world.first)).toBe(false)
    world.jump(20)
    expect([await goOnRetrying(world.first), await goOnRetrying(world.first)]).toEqual([true, false])
    await finishAll(pilot)
    expect(await taskState(ids[0]!)).toEqual({ state: 'done', round: 1 })
  })

  test('asked for by two at once comes back once', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    const ids = await cancelled(place, 1200)
    const asked = await Promise.allSettled([1, 2, 3].map(() => retry.task(place, ids[0]!)))
    const retried = asked.map((a) => (a.status === 'fulfilled' ? a.value.retried : 0))
    expect(retried.reduce((sum, n) => sum + n)).toBe(1200)
    expect(await taskState(ids[0]!)).toMatchObject({ round: 1 })
    expect(new Set(await statesOf(ids))).toEqual(new Set(['activated']))
    await refused(retry.task(place, ids[0]!), /^t\d+ is (ready|running): it can be retried when it has ended$/)
    await finishAll(pilot)
    await refused(retry.task(place, ids[0]!), /^t\d+ is done, which leaves nothing to run again$/)
  })

  test('that is cancelled while it comes back is cancelled, or comes back whole', async () => {
    const place = await world.place()
    const pilot = await place.pilot()
    for (let n = 0; n < 3; n++) {
      const ids = await cancelled(place, 1100)
      const taskId = await taskOf(ids[0]!)
      await Promise.allSettled([retry.task(place, ids[0]!), cancelTask(world.first, place.ann, taskId, 'no')])
      while (await goOnRetrying(world.first));
      const { state } = await taskState(ids[0]!)
      expect(['aborted', 'ready']).toContain(state)
      expect(await brokenInvariants(world.first.db)).toEqual([])
      await finishAll(pilot)
    }
  })
})
