import { beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../test/support/server.ts'
import { scriptedPilot } from '../cli/testing/scriptedPilot.ts'
import type { Environment } from '../contract/environments.ts'
import { sql } from '../store/db.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await server.engine.db.run(sql`update person set operator = true where name = 'ann'`)
})

const newWorkflow = async (environment?: Environment) =>
  (await server.user.call('createWorkflow', { body: { name: 'w', kind: 'tasks', environment } })).workflowId

const submit = async (environment?: Environment, ofWorkflow?: Environment, more: object = {}) => {
  const payload = { kind: 'command' as const, command: ['true'], environment }
  const jobs = [{ args: { text: '{}' } }]
  const body = { workflowId: await newWorkflow(ofWorkflow), name: 't', payload, jobs, ...more }
  return (await server.user.call('submitTask', { body })).taskId
}

/** Where a pilot is told to run the jobs of a task. */
const claimed = async (environment?: Environment, ofWorkflow?: Environment) => {
  const pilot = await scriptedPilot(server.pilot)
  const taskId = await submit(environment, ofWorkflow)
  const body = { epoch: 1, claimSeq: 1, cores: 1, jobs: 1, waitSeconds: 5 }
  const { tasks, jobs } = await server.pilot.call('claim', { params: { id: pilot.pilotId }, body })
  expect(tasks[0]!.taskId).toBe(taskId)
  await server.pilot.call('report', {
    params: { id: pilot.pilotId },
    body: {
      epoch: 1,
      reports: [{ ...jobs[0]!, what: 'finished' }].map(({ jobId, attempt, what }) => ({
        jobId,
        attempt,
        what: what as 'finished',
      })),
    },
  })
  return tasks[0]!.environment
}

const setQueue = (environment: Environment) =>
  server.user.call('setQueueEnvironment', { params: { name: 'local' }, body: environment })

test('a pilot is told what work, workflow and queue say, the nearest of each setting, and nothing where nobody says anything', async () => {
  expect(await claimed()).toBeUndefined()
  expect(await claimed({ image: 'a' }, { image: 'b', initEnv: 'source x' })).toEqual({
    image: 'a',
    initEnv: 'source x',
  })
  expect(await setQueue({ initEnv: 'source queue', requirements: 'numpy==1.26.4' })).toMatchObject({ name: 'local' })
  expect(await claimed()).toEqual({ initEnv: 'source queue', requirements: 'numpy==1.26.4' })
  expect(await claimed({ conda: '@EXPLICIT\n' }, { initEnv: '' })).toEqual({ conda: '@EXPLICIT\n' })
  expect(await setQueue({})).toEqual({ name: 'local', environment: null })
  expect(await claimed()).toBeUndefined()
})

test('each setting that holds for a task is told with who said it', async () => {
  await setQueue({ cleanEnv: 'module purge' })
  const taskId = await submit({ image: 'a' }, { initEnv: 'source x' }, { cores: 4 })
  const { items } = await server.user.call('taskSettings', { params: { id: taskId } })
  expect(items).toEqual(
    expect.arrayContaining([
      { name: 'cores', value: 4, from: 'submission' },
      { name: 'priority', value: 1000, from: 'default' },
      { name: 'memoryMb', value: null, from: 'default' },
      { name: 'image', value: 'a', from: 'submission' },
      { name: 'initEnv', value: 'source x', from: 'workflow' },
      { name: 'cleanEnv', value: 'module purge', from: 'queue', queue: 'local' },
    ]),
  )
  await setQueue({})
})

test('what no environment can be made of is refused where it is said', async () => {
  const wrong = { requirements: 'numpy>=1.20' }
  const refused = { code: 'environment_invalid', message: expect.stringContaining('line 1: numpy>=1.20') }
  await expect(submit(wrong)).rejects.toMatchObject(refused)
  await expect(newWorkflow(wrong)).rejects.toMatchObject(refused)
  await expect(setQueue(wrong)).rejects.toMatchObject(refused)
  const conda = '@EXPLICIT\nhttps://conda.example/linux-64/python-3.8.20-h1_0.conda\n'
  const code = { bundle: '0'.repeat(64), module: 'm', export: 'f', language: 'python' }
  const payload = { kind: 'function', ...code, environment: { conda } }
  await expect(submit(undefined, undefined, { payload })).rejects.toMatchObject({
    code: 'environment_invalid',
    message: expect.stringContaining('Python 3.8'),
  })
  await expect(submit({ container: 'x' } as Environment)).rejects.toMatchObject({ code: 'invalid_input' })
})

test('operators say it of queues, and everybody may see it', async () => {
  const bob = await server.person('bob')
  const body = { image: 'host' }
  await expect(bob.call('setQueueEnvironment', { params: { name: 'local' }, body })).rejects.toMatchObject({
    code: 'forbidden',
  })
  await expect(server.user.call('setQueueEnvironment', { params: { name: 'none' }, body })).rejects.toMatchObject({
    code: 'queue_unknown',
  })
  await server.user.call('createQueue', { body: { name: 'grid', environment: body } })
  const { items } = await bob.call('listQueues')
  expect(items.map(({ name, environment }) => [name, environment])).toEqual([
    ['local', null],
    ['grid', body],
  ])
})
