import { afterEach, beforeAll, expect, test } from 'vitest'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { startTestServer, type TestServer } from '../../../test/support/server.ts'
import type { Client } from '../../contract/client.ts'

let server: TestServer
let ann: Client
let pilotId: `p${number}`
let claimSeq = 0
beforeAll(async () => {
  server = await startTestServer()
  ann = server.user
  const body = { name: 'p', queue: 'local', slots: 100, host: 'h', version: '1' }
  pilotId = (await server.pilot.call('registerPilot', { body })).pilotId
})
afterEach(async () => {
  expect(await brokenInvariants(server.engine.db)).toEqual([])
})

const text = (value: unknown) => ({ text: JSON.stringify(value) })

type Asked = { values: number[]; command?: string[]; client?: Client; open?: boolean; after?: `t${number}`[] }

/** A task that takes stored results, with a job for each value. */
const submit = async ({ values, command = ['double'], client = ann, ...more }: Asked) => {
  const { workflowId } = await client.call('createWorkflow', { body: { name: 'w', kind: 'tasks' } })
  const body = {
    ...{ workflowId, name: 't', payload: { kind: 'command' as const, command }, cache: true, ...more },
    jobs: values.map((value) => ({ args: text({ a: [value] }) })),
  }
  return { workflowId, ...(await client.call('submitTask', { body })) }
}

/** Runs what there is, if anything: each job gives twice its argument. Tells the arguments of those that ran. */
const run = async (what: 'finished' | 'failed' = 'finished'): Promise<number[]> => {
  const body = { epoch: 1, claimSeq: ++claimSeq, cores: 100, jobs: 100, waitSeconds: 0 }
  const { jobs } = await server.pilot.call('claim', { params: { id: pilotId }, body })
  const ran = jobs.map((job) => ({ ...job, value: JSON.parse((job.args as { text: string }).text).a[0] as number }))
  const reports = ran.map(({ jobId, attempt, value }) =>
    what === 'finished'
      ? { jobId, attempt, what, value: text(2 * value) }
      : { jobId, attempt, what, cause: 'user' as const },
  )
  if (reports.length > 0) await server.pilot.call('report', { params: { id: pilotId }, body: { epoch: 1, reports } })
  return ran.map(({ value }) => value).sort((a, b) => a - b)
}

const outcomes = async (taskId: `t${number}`, client = ann) =>
  (await client.call('listOutcomes', { params: { id: taskId } })).items.map(({ state, value }) => [state, value])

test('what was computed is not computed again; what is new is', async () => {
  await submit({ values: [1, 2] })
  expect(await run()).toEqual([1, 2])
  const second = await submit({ values: [2, 3, 1] })
  expect(await run()).toEqual([3])
  expect(await outcomes(second.taskId)).toEqual([2, 3, 1].map((n) => ['finished', text(2 * n)]))
})

test('a task whose results are all known is done at once, and says where they come from', async () => {
  const first = await submit({ values: [10] })
  await run()
  const { taskId, firstJobId } = await submit({ values: [10] })
  expect(await outcomes(taskId)).toEqual([['finished', text(20)]])
  expect(await ann.call('explainJob', { params: { id: firstJobId! } })).toMatchObject({
    cause: 'reused',
    sentence: expect.stringContaining(first.firstJobId!),
  })
  const { attempts } = await ann.call('getJob', { params: { id: firstJobId! } })
  expect(attempts).toEqual([])
})

test('only results are taken: not of a job that failed, nor of one that is under way', async () => {
  await submit({ values: [20] })
  await submit({ values: [20] })
  expect(await run('failed')).toEqual([20, 20])
  await submit({ values: [20] })
  expect(await run()).toEqual([20])
})

test('what one owner computed is not given to another', async () => {
  await submit({ values: [30] })
  await run()
  const ben = await server.person('ben')
  await submit({ values: [30], client: ben })
  expect(await run()).toEqual([30])
})

test('other code or other arguments are computed, and it is said which part was other', async () => {
  const first = await submit({ values: [40], command: ['treble'] })
  await run()
  const other = await submit({ values: [41], command: ['treble'] })
  const { evidence } = await ann.call('explainJob', { params: { id: other.firstJobId! } })
  expect(evidence).toContain(`not reused: other arguments than ${first.firstJobId}`)
  await submit({ values: [40], command: ['treble', '--fast'] })
  expect(await run()).toEqual([40, 41])
})

test('jobs that are added later take stored results too, and those that wait for others do not', async () => {
  await submit({ values: [50] })
  await run()
  const { taskId } = await submit({ values: [], open: true })
  const jobs = [{ args: text({ a: [50] }) }, { args: text({ a: [51] }) }]
  await ann.call('addJobs', { params: { id: taskId }, body: { firstIndex: 0, jobs, close: true } })
  const waits = await submit({ values: [50], after: [taskId] })
  expect(await run()).toEqual([51])
  expect(await outcomes(waits.taskId)).toEqual([])
})
