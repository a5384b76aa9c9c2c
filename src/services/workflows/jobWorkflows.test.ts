import { randomUUID } from 'node:crypto'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { eventually, startTestServer, type TestServer } from '../../../test/support/server.ts'
import type { Client } from '../../contract/client.ts'
import type { ClaimReply, Report } from '../../contract/pilots.ts'
import type { BodyInputOf } from '../../contract/routes.ts'

/** Workflow functions that run as jobs. */

let server: TestServer
let user: Client
beforeAll(async () => {
  server = await startTestServer()
  user = server.user
})

afterEach(async () => {
  expect(await brokenInvariants(server.engine.db)).toEqual([])
})

type Run = NonNullable<BodyInputOf<'createWorkflow'>['run']>
const aRun = (more: Partial<Run> = {}): Run => ({ id: randomUUID(), key: 'm#f@job:1', program: 'f.ts', ...more })

const command = { kind: 'command' as const, command: ['true'] }
const task = { name: 'f', payload: command, args: { text: '{"a":[1]}' } }

const start = (run?: Run, more: object = {}) =>
  user.call('createWorkflow', { body: { name: 'f', kind: 'job', task: { ...task, ...more }, run } })

const newPilot = async () => {
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: randomUUID(), queue: 'local', slots: 10, host: 'here', version: '1' },
  })
  let claimSeq = 0
  const claim = async () => {
    const body = { epoch, claimSeq: ++claimSeq, cores: 10, jobs: 10, waitSeconds: 5 }
    return (await server.pilot.call('claim', { params: { id: pilotId }, body })).jobs
  }
  const report = (...reports: Report[]) =>
    server.pilot.call('report', { params: { id: pilotId }, body: { epoch, reports } })
  return { claim, report }
}

type Claimed = ClaimReply['jobs'][number]
const finished = ({ jobId, attempt }: Claimed, text: string): Report => ({
  ...{ jobId, attempt, what: 'finished', value: { text } },
})
const failed = ({ jobId, attempt }: Claimed): Report => ({
  ...{ jobId, attempt, what: 'failed', cause: 'user' },
  error: { type: 'ValueError', message: 'no data', stack: 'ValueError: no data' },
})

const view = (id: `w${number}`) => user.call('getWorkflow', { params: { id } })
const ended = (id: `w${number}`) =>
  eventually(async () => {
    const workflow = await view(id)
    return workflow.endedAt !== null && workflow
  }, `${id} ends`)

test('it ends with its function, has the value of that, and what the function left under way is cancelled', async () => {
  const { workflowId, epoch, job, state } = await start()
  expect({ epoch, state }).toEqual({ epoch: 0, state: 'running' })
  const pilot = await newPilot()
  const [root] = await pilot.claim()
  expect(root).toMatchObject({ jobId: job!.jobId, taskId: job!.taskId, args: task.args })
  const inner = server.client(root!.token)
  const body = { workflowId, name: 'step', payload: command, call: { key: 'step:1', epoch: 1 } }
  const step = await inner.call('submitTask', { body: { ...body, jobs: [{ args: { text: '{}' } }] } })
  expect((await user.call('getTask', { params: { id: step.taskId } })).parentJobId).toBe(job!.jobId)
  await pilot.report(finished(root!, '[0.5]'))
  expect(await view(workflowId)).toMatchObject({ kind: 'job', state: 'done', value: { text: '[0.5]' }, error: null })
  await eventually(
    async () => (await user.call('getTask', { params: { id: step.taskId } })).state === 'aborted',
    'the step that nobody waits for is cancelled',
  )
  await eventually(async () => (await view(workflowId)).tasks.ended === 2, 'the tasks are the function and its step')
})

test('it fails with the error of its function', async () => {
  const { workflowId } = await start()
  const pilot = await newPilot()
  const [root] = await pilot.claim()
  await pilot.report(failed(root!))
  const error = { type: 'ValueError', message: 'no data', stack: 'ValueError: no data' }
  expect(await view(workflowId)).toMatchObject({ state: 'failed', value: null, error, why: 'no data' })
})

test('cancelling it cancels its function, and cancelling its function cancels it', async () => {
  const [one, two] = [await start(), await start()]
  expect(await user.call('cancelWorkflow', { params: { id: one.workflowId }, body: {} })).toMatchObject({
    cancelled: 1,
  })
  await user.call('cancelTask', { params: { id: two.job!.taskId }, body: { why: 'not wanted' } })
  expect((await ended(one.workflowId)).state).toBe('cancelled')
  expect(await ended(two.workflowId)).toMatchObject({ state: 'cancelled', why: 'not wanted' })
})

test('a program that starts again has the same workflow, however that has ended', async () => {
  const run = aRun({ arguments: '1'.repeat(64) })
  const first = await start(run)
  expect(await start(run)).toEqual({ ...first, known: true })
  await expect(start({ ...run, arguments: '2'.repeat(64) })).rejects.toMatchObject({ code: 'arguments_changed' })
  await expect(user.call('createWorkflow', { body: { name: 'f', kind: 'function', run } })).rejects.toMatchObject({
    code: 'invalid_input',
  })
  const pilot = await newPilot()
  const [root, ...rest] = await pilot.claim()
  expect(rest).toEqual([])
  await pilot.report(failed(root!))
  await ended(first.workflowId)
  expect(await start(run)).toMatchObject({ state: 'failed', job: first.job, known: true })
})

test('what its function asks for is what a task may ask for; when it is refused, there is no workflow', async () => {
  const newest = async () => (await user.call('listWorkflows', { query: { limit: 1 } })).items[0]?.id
  const before = await newest()
  const payload = { kind: 'function', bundle: '0'.repeat(64), module: 'm.js', export: 'f', language: 'node' }
  await expect(start(undefined, { payload })).rejects.toMatchObject({ code: 'bundle_unknown' })
  await expect(start(undefined, { queue: 'nowhere' })).rejects.toMatchObject({ code: 'queue_unknown' })
  await expect(start(undefined, { jobs: [] })).rejects.toMatchObject({ code: 'invalid_input' })
  await expect(user.call('createWorkflow', { body: { name: 'f', kind: 'job' } as never })).rejects.toMatchObject({
    code: 'fields_disagree',
  })
  expect(await newest()).toBe(before)
  const { job } = await start(undefined, { cores: 2, memoryMb: 500, name: 'driver of f' })
  expect(await user.call('getTask', { params: { id: job!.taskId } })).toMatchObject({ name: 'driver of f' })
  const pilot = await newPilot()
  await pilot.report(...(await pilot.claim()).map((claimed) => finished(claimed, '1')))
})
