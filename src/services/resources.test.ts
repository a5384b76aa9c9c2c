import { beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../test/support/server.ts'
import { scriptedPilot } from '../cli/testing/scriptedPilot.ts'
import type { Environment } from '../contract/environments.ts'
import type { Setting } from '../contract/tasks.ts'
import { sql } from '../store/db.ts'
import { dueTimers } from './dueTimers.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await server.engine.db.run(sql`update person set operator = true where name = 'ann'`)
  await server.user.call('createQueue', { body: { name: 'near', site: 'here' } })
  await server.user.call('createQueue', { body: { name: 'far', site: 'there' } })
  await server.user.call('createQueue', { body: { name: 'farther', site: 'there' } })
})

const newWorkflow = async (environment?: Environment) =>
  (await server.user.call('createWorkflow', { body: { name: 'w', kind: 'tasks', environment } })).workflowId

const submit = async (asked: object, workflowId?: `w${number}`) => {
  const payload = { kind: 'command' as const, command: ['true'] }
  const jobs = [{ args: { text: '{}' } }]
  const body = { workflowId: workflowId ?? (await newWorkflow()), name: 't', payload, jobs, ...asked }
  return server.user.call('submitTask', { body })
}

const shown = (items: Setting[]) =>
  Object.fromEntries(items.map(({ name, value, from, queue }) => [name, [value, from, ...(queue ? [queue] : [])]]))

test('a site is any queue of it; one that nobody knows is refused, and so is a queue that is elsewhere', async () => {
  const { taskId } = await submit({ site: 'there' })
  expect((await server.user.call('getTask', { params: { id: taskId } })).queue).toBe('far,farther')
  await expect(submit({ site: 'nowhere' })).rejects.toMatchObject({ code: 'site_unknown' })
  await expect(submit({ site: 'there', queue: 'near' })).rejects.toMatchObject({
    code: 'too_large_for_queue',
    message: expect.stringContaining('near: it is at here, the task names there'),
  })
})

test('a task and its job have every setting in force, with who said it: the submission, the workflow, the queue, nobody', async () => {
  await server.engine.db.run(sql`update queue set lost_after_seconds = 300 where name = 'far'`)
  await server.user.call('setQueueEnvironment', { params: { name: 'far' }, body: { cleanEnv: 'module purge' } })
  const workflowId = await newWorkflow({ initEnv: 'source x' })
  const asked = { queue: 'far', site: 'there', gpus: 2, memoryMb: 500, attempts: { memory: 3, lost: 9 } }
  const { taskId, firstJobId } = await submit(asked, workflowId)
  const { items } = await server.user.call('taskSettings', { params: { id: taskId } })
  expect(shown(items)).toEqual({
    queue: ['far', 'submission'],
    site: ['there', 'submission'],
    cores: [1, 'default'],
    memoryMb: [500, 'submission'],
    gpus: [2, 'submission'],
    wallSeconds: [null, 'default'],
    priority: [1000, 'default'],
    'attempts.user': [1, 'default'],
    'attempts.memory': [3, 'submission'],
    'attempts.site': [3, 'default'],
    'attempts.lost': [9, 'submission'],
    lostAfterSeconds: [300, 'queue', 'far'],
    initEnv: ['source x', 'workflow'],
    cleanEnv: ['module purge', 'queue', 'far'],
  })
  expect((await server.user.call('jobSettings', { params: { id: firstJobId! } })).items).toEqual(items)
})

test('a workflow has what holds for tasks that say nothing, in the queues that would be chosen', async () => {
  await server.user.call('setQueueEnvironment', { params: { name: 'near' }, body: { image: 'host' } })
  const id = await newWorkflow({ initEnv: 'source x' })
  const { items } = await server.user.call('workflowSettings', { params: { id } })
  expect(shown(items)).toMatchObject({
    queue: ['local, near, far, farther', 'default'],
    gpus: [0, 'default'],
    initEnv: ['source x', 'workflow'],
    image: ['host', 'queue', 'near'],
  })
  const other = await server.engine.db.row<{ id: number }>(
    sql`insert into experiment (name) values ('other') returning id`,
  )
  const stranger = await server.person('eve', other!.id)
  await expect(stranger.call('workflowSettings', { params: { id } })).rejects.toMatchObject({
    code: 'workflow_unknown',
  })
})

test('a job that had too little memory runs again with twice as much, up to what pilots have, and says so', async () => {
  const pilot = await scriptedPilot(server.pilot, { memoryMb: 1500 })
  const { taskId, firstJobId } = await submit({ queue: 'local', memoryMb: 500, attempts: { memory: 4 } })
  const over = { what: 'failed' as const, cause: 'memory' as const, error: { type: 'MemoryLimit', message: 'over' } }
  const given: (number | undefined)[] = []
  for (let n = 0; n < 4; n++) {
    const [job] = await pilot.claim()
    given.push(job!.memoryMb)
    await pilot.report(job!, over)
    await server.engine.db.run(sql`update timer set at = ${server.engine.clock()} where kind = 'backOff'`)
    await dueTimers(server.engine)
  }
  expect(given).toEqual([undefined, 1000, 1500, 1500])
  const job = await server.user.call('getJob', { params: { id: firstJobId! } })
  expect([job.state, job.cause, job.memoryMb]).toEqual(['failed', 'memory', 1500])
  const { items } = await server.user.call('jobSettings', { params: { id: firstJobId! } })
  expect(shown(items).memoryMb).toEqual([1500, 'retry'])
  expect((await server.user.call('getTask', { params: { id: taskId } })).memoryMb).toBe(500)
  const { items: story } = await server.user.call('jobHistory', { params: { id: firstJobId! } })
  expect(story.filter(({ trigger }) => trigger === 'willRetry').map(({ why }) => why)).toEqual([
    'memory: attempt 1 of 4 allowed for memory errors; again with 1000 MB',
    'memory: attempt 2 of 4 allowed for memory errors; again with 1500 MB',
    'memory: attempt 3 of 4 allowed for memory errors; no pilot has more than 1500 MB',
  ])
  await pilot.leave()
})

test('a cause that is named has attempts of its own; one that is not spends those of the user', async () => {
  const pilot = await scriptedPilot(server.pilot)
  const failsBy = async (cause: 'memory' | 'walltime') => {
    const { firstJobId } = await submit({ queue: 'local', attempts: { memory: 2 } })
    const [job] = await pilot.claim()
    await pilot.report(job!, { what: 'failed', cause, error: { type: 'Limit', message: 'over' } })
    return (await server.user.call('getJob', { params: { id: firstJobId! } })).state
  }
  expect([await failsBy('memory'), await failsBy('walltime')]).toEqual(['activated', 'failed'])
  await pilot.leave()
})
