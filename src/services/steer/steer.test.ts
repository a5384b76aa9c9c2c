import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { finished, type Held, startWorld } from '../../../test/support/engines.ts'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { newWorkflow } from '../../contract/workflows.ts'
import { readId } from '../../lib/ids.ts'
import { sql } from '../../store/db.ts'
import { ensurePerson } from '../../store/people.ts'
import { lockTasks } from '../../store/tasks.ts'
import { admitToken, authenticate } from '../access/authenticate.ts'
import { transact } from '../engine/engine.ts'
import { addJobs } from '../submit/addJobs.ts'
import { createWorkflow, renewDriver } from '../workflows/workflows.ts'
import { retryTask } from './retry.ts'
import * as steer from './steer.ts'
import { pauseTasks, sweepPage } from './sweeps.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** All that agents have to do, until nothing is left. */
const settle = async () => {
  await world.look()
  while (await sweepPage(world.first));
  await world.look()
}
afterEach(async () => {
  await settle()
  expect(await brokenInvariants(world.first.db)).toEqual([])
})

const now = { preview: false }
const nums = (jobs: Held[]) => jobs.map((job) => readId('j', job.jobId)!).sort((a, b) => a - b)
const numOf = async (jobId: number) =>
  (await world.first.db.row<{ taskId: number }>(sql`select task_id as "taskId" from job where id = ${jobId}`))!.taskId
const taskOf = async (jobId: number) => {
  const id = await numOf(jobId)
  const [task] = await transact(world.first, (tx) => lockTasks(tx, [id]))
  return task!
}
const jobsOf = (taskId: number) =>
  world.first.db.rows<{ id: number; state: string; heldBy: string | null; ready: number }>(sql`
    select id, state, held_by as "heldBy", (select count(*)::int from ready r where r.job_id = j.id) as ready
    from job j where task_id = ${taskId} order by index`)

/** A task of `n` jobs at a place of its own, and a pilot there. */
const started = async (n: number, more: object = {}) => {
  const place = await world.place()
  const jobs = await place.submit(n, more)
  const { id } = await taskOf(jobs[0]!)
  return { place, jobs, id, pilot: await place.pilot(), ann: place.ann }
}

describe('a task that is paused', () => {
  test('gives nothing to claims, lets end what runs, and goes on where it was', async () => {
    const { id, jobs, pilot, ann } = await started(5)
    const taken = await pilot.take({ jobs: 2 })
    await world.look()
    expect(await steer.pauseTask(world.first, ann, id, { ...now, why: 'the disk is full' })).toMatchObject({
      touches: { tasks: 1, jobs: { activated: 3, total: 3 }, stops: 0 },
    })
    expect(await pilot.take()).toEqual([])
    expect(await pilot.report(taken.map((job) => finished(job)))).toEqual(['moved', 'moved'])
    await world.look()
    expect((await taskOf(jobs[0]!)).state).toBe('paused')
    await steer.resumeTask(world.first, ann, id, now)
    expect((await taskOf(jobs[0]!)).state).toBe('running')
    const rest = await pilot.take()
    expect(nums(rest)).toEqual(jobs.slice(2))
    await pilot.report(rest.map((job) => finished(job)))
    await world.look()
    expect((await taskOf(jobs[0]!)).state).toBe('done')
    const story = await world.first.db.rows<{ trigger: string; why: string | null }>(
      sql`select trigger, why from history where noun = 'task' and id = ${id} and trigger in ('pauseAsked', 'resumed') order by seq`,
    )
    expect(story).toEqual([
      { trigger: 'pauseAsked', why: 'paused by ann: the disk is full' },
      { trigger: 'resumed', why: 'resumed by ann' },
    ])
  })

  test('holds what is released, comes back, is lost or added meanwhile', async () => {
    const { place, id, jobs, pilot, ann } = await started(3, { open: true })
    const [first, second] = await pilot.take({ jobs: 2 })
    const after = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: [first!.jobId] }] })
    const child = await numOf(after[0]!)
    await steer.pauseTask(world.first, ann, id, now)
    await steer.pauseTask(world.first, ann, child, now)
    await pilot.report([finished(first!)])
    const cause = { type: 'Full', message: 'no disk' }
    await pilot.report([{ ...second!, what: 'failed', cause: 'site', error: cause }])
    await addJobs(world.first, ann, id, { firstIndex: 3, jobs: [{ args: { text: '{}' } }], close: true })
    await world.pass(600, { heard: [pilot] })
    expect(await pilot.take()).toEqual([])
    expect((await jobsOf(id)).map(({ state, heldBy, ready }) => [state, heldBy, ready])).toEqual([
      ['finished', null, 0],
      ['activated', 'pause', 0],
      ['activated', 'pause', 0],
      ['activated', 'pause', 0],
    ])
    expect(await jobsOf(child)).toMatchObject([{ state: 'activated', heldBy: 'pause', ready: 0 }])
    await steer.resumeTask(world.first, ann, child, now)
    await steer.resumeTask(world.first, ann, id, now)
    expect(await pilot.take()).toHaveLength(4)
    expect(jobs).toHaveLength(3)
  })

  test('waits for other tasks again when it is resumed before they are done', async () => {
    const { place, jobs, pilot, ann } = await started(1)
    const [child] = await place.submit(1, { after: [`t${await numOf(jobs[0]!)}`] })
    const id = await numOf(child!)
    for (const act of [steer.pauseTask, steer.resumeTask]) await act(world.first, ann, id, now)
    expect((await taskOf(child!)).state).toBe('pending')
    await steer.pauseTask(world.first, ann, id, now)
    await pilot.report((await pilot.take()).map((job) => finished(job)))
    await world.look()
    expect(await pilot.take()).toEqual([])
    await steer.resumeTask(world.first, ann, id, now)
    expect((await taskOf(child!)).state).toBe('ready')
    expect(nums(await pilot.take())).toEqual([child])
  })

  test('is gone through by an agent, should who asked die', async () => {
    const { id, pilot, ann } = await started(4500)
    await transact(world.first, async (tx, effects) => {
      await pauseTasks(world.first, tx, effects, await lockTasks(tx, [id]), 'paused by ann')
    })
    await sweepPage(world.first)
    expect(await pilot.take({ jobs: 100 })).toHaveLength(100)
    await settle()
    expect(await pilot.take()).toEqual([])
    await steer.resumeTask(world.first, ann, id, now)
    expect(await pilot.take()).toHaveLength(4400)
  })

  test('loses and doubles nothing when it is paused and resumed while pilots claim', async () => {
    const { place, id, jobs, ann } = await started(300)
    const other = await world.server()
    const got: Held[] = []
    const claims = [0, 1].map(async (n) => {
      const pilot = await place.pilot({ at: n ? other : world.first, slots: 7 })
      for (let i = 0; i < 10; i++) got.push(...(await pilot.take()))
    })
    for (const act of [steer.pauseTask, steer.resumeTask, steer.pauseTask]) await act(other, ann, id, now)
    await Promise.all(claims)
    await settle()
    const last = await place.pilot()
    expect(await last.take()).toEqual([])
    await steer.resumeTask(world.first, ann, id, now)
    got.push(...(await last.take()))
    expect(nums(got)).toEqual(jobs)
  })

  test('can be finished as it is, and paused again when a retry has brought it back', async () => {
    const { id, jobs, pilot, ann } = await started(2)
    const [one] = await pilot.take({ jobs: 1 })
    await steer.pauseTask(world.first, ann, id, now)
    await steer.finishTask(world.first, ann, id, now)
    await pilot.report([finished(one!)])
    await world.look()
    expect((await taskOf(jobs[0]!)).state).toBe('finished')
    await retryTask(world.first, ann, id, 'again')
    await steer.pauseTask(world.first, ann, id, now)
    expect(await pilot.take()).toEqual([])
  })
})

describe('what is asked in vain', () => {
  test('is refused with its reason, and changes nothing', async () => {
    const { id, pilot, ann } = await started(1)
    const refused = (detail: string) => ({ code: 'state_forbids', message: expect.stringContaining(detail) })
    await expect(steer.resumeTask(world.first, ann, id, now)).rejects.toMatchObject(refused('is ready, and not paused'))
    await pilot.report((await pilot.take()).map((job) => finished(job)))
    await world.look()
    for (const act of [steer.pauseTask, steer.finishTask])
      await expect(act(world.first, ann, id, now)).rejects.toMatchObject(refused('is done: it has ended'))
  })

  test('is refused to those whose it is not', async () => {
    const { place, id, ann } = await started(1)
    const { first } = world
    const personId = await ensurePerson(first.db, { experimentId: 1, name: 'bob', admin: false, now: first.clock() })
    await admitToken(first, `bob-${id}`, { personId, note: 'test' })
    const bob = await authenticate(first, `Bearer bob-${id}`)
    const workflow = readId('w', place.workflowId)!
    for (const preview of [true, false]) {
      await expect(steer.pauseTask(first, bob, id, { preview })).rejects.toMatchObject({ code: 'forbidden' })
      await expect(steer.finishWorkflow(first, bob, workflow, { preview })).rejects.toMatchObject({ code: 'forbidden' })
    }
    await expect(steer.pauseTask(first, ann, 999_999, now)).rejects.toMatchObject({ code: 'task_unknown' })
  })

  test('a preview says what would be touched, and touches nothing', async () => {
    const { place, id, pilot, ann } = await started(4)
    await pilot.take({ jobs: 1 })
    await world.look()
    const workflow = readId('w', place.workflowId)!
    const before = await jobsOf(id)
    const preview = { preview: true }
    const waiting = { touches: { tasks: 1, jobs: { activated: 3, total: 3 }, stops: 0 } }
    expect(await steer.pauseTask(world.first, ann, id, preview)).toEqual(waiting)
    expect(await steer.finishTask(world.first, ann, id, preview)).toEqual(waiting)
    expect(await steer.prioritiseTask(world.first, ann, id, 7, preview)).toEqual(waiting)
    expect(await steer.pauseWorkflow(world.first, ann, workflow, preview)).toEqual(waiting)
    expect(await jobsOf(id)).toEqual(before)
    expect(await world.first.db.rows(sql`select from sweep`)).toEqual([])
    expect((await world.first.db.row(sql`select held, state from workflow where id = ${workflow}`))!).toEqual({
      held: false,
      state: 'running',
    })
  })
})

describe('another priority', () => {
  test('puts what waits before or behind the rest, at once and for what comes later', async () => {
    const { place, id, jobs, pilot, ann } = await started(3)
    const others = await place.submit(3)
    const [lost] = await pilot.take({ jobs: 1 })
    await steer.prioritiseTask(world.first, ann, id, 10, now)
    expect(nums(await pilot.take({ jobs: 1 }))).toEqual([others[0]])
    await steer.prioritiseTask(world.first, ann, await numOf(others[0]!), 5, now)
    await pilot.report([{ ...lost!, what: 'returned' }])
    expect(nums(await pilot.take({ jobs: 3 }))).toEqual(jobs)
    expect(nums(await pilot.take())).toEqual(others.slice(1))
    expect((await taskOf(jobs[0]!)).formerPriorities).toBeNull()
  })

  test('holds for a paused task when it is resumed, and leaves no job at two places', async () => {
    const { place, id, jobs, pilot, ann } = await started(2)
    const others = await place.submit(2)
    await steer.pauseTask(world.first, ann, id, now)
    await steer.prioritiseTask(world.first, ann, id, 2000, now)
    expect(nums(await pilot.take({ jobs: 1 }))).toEqual(others.slice(0, 1))
    await steer.resumeTask(world.first, ann, id, now)
    expect((await jobsOf(id)).map((job) => job.ready)).toEqual([1, 1])
    expect(nums(await pilot.take({ jobs: 2 }))).toEqual(jobs)
  })
})

test('a task that is finished begins no more, lets end what runs, and ends with that', async () => {
  const { id, jobs, pilot, ann } = await started(4, { open: true })
  const taken = await pilot.take({ jobs: 1 })
  await steer.finishTask(world.first, ann, id, { ...now, why: 'enough' })
  expect(await pilot.take()).toEqual([])
  expect((await taskOf(jobs[0]!)).state).toBe('finishing')
  await pilot.report(taken.map((job) => finished(job)))
  await world.look()
  expect((await taskOf(jobs[0]!)).state).toBe('finished')
  expect((await jobsOf(id)).map((job) => job.state)).toEqual(['finished', 'cancelled', 'cancelled', 'cancelled'])
})

describe('a workflow', () => {
  const stateOf = async (id: number) =>
    (await world.first.db.row<{ state: string; held: boolean }>(
      sql`select state, held from workflow where id = ${id}`,
    ))!

  test('that is paused holds its tasks and those that come, until it is resumed', async () => {
    const { place, jobs, pilot, ann } = await started(2)
    const id = readId('w', place.workflowId)!
    await steer.pauseWorkflow(world.first, ann, id, now)
    const later = await place.submit(2)
    const child = await place.submit(1, { jobs: [{ args: { text: '{}' }, after: [`j${later[0]!}`] }] })
    expect(await pilot.take()).toEqual([])
    await expect(steer.resumeTask(world.first, ann, await numOf(later[0]!), now)).rejects.toMatchObject({
      code: 'state_forbids',
    })
    expect(await stateOf(id)).toEqual({ state: 'paused', held: true })
    await steer.resumeWorkflow(world.first, ann, id, now)
    expect(await stateOf(id)).toEqual({ state: 'running', held: false })
    const taken = await pilot.take()
    expect(nums(taken)).toEqual([...jobs, ...later])
    await pilot.report(taken.map((job) => finished(job)))
    expect(nums(await pilot.take())).toEqual(child)
  })

  test('holds also what was submitted in the same moment', async () => {
    const { place, pilot, ann } = await started(1)
    const id = readId('w', place.workflowId)!
    const submitted = await Promise.all([
      ...Array.from({ length: 20 }, () => place.submit(1)),
      steer.pauseWorkflow(world.first, ann, id, now).then(() => []),
      ...Array.from({ length: 20 }, () => place.submit(1)),
    ])
    await settle()
    expect(await pilot.take()).toEqual([])
    await steer.resumeWorkflow(world.first, ann, id, now)
    await settle()
    expect(await pilot.take()).toHaveLength(1 + submitted.flat().length)
  })

  test('is not resumed by its driver, and waits for that when it is resumed without', async () => {
    const { ann } = await world.place()
    const made = await createWorkflow(world.first, ann, newWorkflow.parse({ name: 'f', kind: 'function' }))
    const id = readId('w', made.workflowId)!
    await steer.pauseWorkflow(world.first, ann, id, now)
    await renewDriver(world.first, ann, id, 1)
    expect(await stateOf(id)).toEqual({ state: 'paused', held: true })
    await steer.resumeWorkflow(world.first, ann, id, now)
    expect(await stateOf(id)).toEqual({ state: 'running', held: false })
    await steer.pauseWorkflow(world.first, ann, id, now)
    await world.pass(600)
    await steer.resumeWorkflow(world.first, ann, id, now)
    expect(await stateOf(id)).toEqual({ state: 'paused', held: false })
    await expect(steer.resumeWorkflow(world.first, ann, id, now)).rejects.toMatchObject({ code: 'state_forbids' })
    await renewDriver(world.first, ann, id, 1)
    expect(await stateOf(id)).toEqual({ state: 'running', held: false })
  })

  test('gives each of its tasks the priority that it is given', async () => {
    const { place, jobs, pilot, ann } = await started(1)
    const more = await place.submit(1)
    await steer.prioritiseWorkflow(world.first, ann, readId('w', place.workflowId)!, 4000, now)
    expect((await taskOf(more[0]!)).priority).toBe(4000)
    expect(nums(await pilot.take())).toEqual([...jobs, ...more])
  })

  test('that is finished ends with what runs of it', async () => {
    const { place, jobs, pilot, ann } = await started(2)
    const id = readId('w', place.workflowId)!
    const taken = await pilot.take({ jobs: 1 })
    const waiting = await place.submit(1)
    await steer.finishWorkflow(world.first, ann, id, now)
    await settle()
    expect((await taskOf(waiting[0]!)).state).toBe('failed')
    await pilot.report(taken.map((job) => finished(job)))
    await settle()
    expect((await taskOf(jobs[0]!)).state).toBe('finished')
    expect((await stateOf(id)).state).toBe('finished')
  })
})
