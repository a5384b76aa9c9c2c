import { randomUUID } from 'node:crypto'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { brokenInvariants } from '../../../test/support/invariants.ts'
import { eventually, startTestServer, type TestServer } from '../../../test/support/server.ts'
import type { Client } from '../../contract/client.ts'
import type { BodyInputOf } from '../../contract/routes.ts'
import { defaultLimits } from '../engine/engine.ts'

let server: TestServer
let user: Client
beforeAll(async () => {
  server = await startTestServer({ limits: { ...defaultLimits, driverSeconds: 1 } })
  user = server.user
})

afterEach(async () => {
  expect(await brokenInvariants(server.engine.db)).toEqual([])
})

type Run = NonNullable<BodyInputOf<'createWorkflow'>['run']>
const aRun = (more: Partial<Run> = {}): Run => ({ id: randomUUID(), key: 'm#f:0', program: 'f.ts', ...more })
const start = (run: Run, by = user) => by.call('createWorkflow', { body: { name: 'f', kind: 'function', run } })
const hash = (digit: string) => digit.repeat(64)

const submit = (workflowId: `w${number}`, key: string, epoch: number, more: object = {}, jobs = 1) =>
  user.call('submitTask', {
    body: {
      workflowId,
      name: 'a call',
      payload: { kind: 'command', command: ['true'] },
      jobs: Array.from({ length: jobs }, () => ({ args: { text: '{}' } })),
      call: { key, epoch, ...('seen' in more ? { seen: more.seen as string } : {}) },
      ...('open' in more ? { open: true } : {}),
    },
  })
const record = (id: `w${number}`, key: string, epoch: number, value: string, by = user) =>
  by.call('keepRecord', { params: { id }, body: { key, epoch, value } })
const journal = (id: `w${number}`, query: object = {}, by = user) => by.call('readJournal', { params: { id }, query })
const stateOf = async (id: `w${number}`) => (await user.call('getWorkflow', { params: { id } })).state

/** Runs what waits, up to so many jobs; each gives `value`. */
const runJobs = async (jobs: number, value: string) => {
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: randomUUID(), queue: 'local', slots: jobs, host: 'here', version: '1' },
  })
  const claimed = await server.pilot.call('claim', {
    params: { id: pilotId },
    body: { epoch, claimSeq: 1, cores: jobs, jobs, waitSeconds: 5 },
  })
  const reports = claimed.jobs.map(({ jobId, attempt }) => ({
    jobId,
    attempt,
    what: 'finished' as const,
    value: { text: value },
  }))
  await server.pilot.call('report', { params: { id: pilotId }, body: { epoch, reports } })
  return claimed.jobs
}

test('a program that starts again continues its workflow, and the driver before can write no more', async () => {
  const run = aRun()
  const first = await start(run)
  expect(first).toMatchObject({ epoch: 1, known: false, state: 'running', value: null })
  await submit(first.workflowId, 'a:0', 1)
  const { taskId } = await submit(first.workflowId, 'map:0', 1, { open: true })
  const second = await start(run)
  expect(second).toMatchObject({ workflowId: first.workflowId, epoch: 2, known: true, state: 'running' })
  const params = { id: first.workflowId }
  const replaced = { code: 'driver_replaced' }
  await expect(submit(first.workflowId, 'b:0', 1)).rejects.toMatchObject(replaced)
  await expect(submit(first.workflowId, 'a:0', 1)).rejects.toMatchObject(replaced)
  await expect(record(first.workflowId, 'now:0', 1, '1')).rejects.toMatchObject(replaced)
  const part = { firstIndex: 1, jobs: [{ args: { text: '{}' } }], close: true }
  const addJobs = (epoch: number) => user.call('addJobs', { params: { id: taskId }, body: { ...part, epoch } })
  await expect(addJobs(1)).rejects.toMatchObject(replaced)
  await expect(user.call('renewDriver', { params, body: { epoch: 1 } })).rejects.toMatchObject(replaced)
  const end = (epoch: number) =>
    user.call('endWorkflow', { params, body: { epoch, state: 'done', value: { text: '7' } } })
  await expect(end(1)).rejects.toMatchObject(replaced)
  expect(await submit(first.workflowId, 'a:0', 2)).toMatchObject({ known: true })
  expect(await addJobs(2)).toMatchObject({ known: false })
  await end(2)
  expect(await start(run)).toMatchObject({ epoch: 2, known: true, state: 'done', value: { text: '7' } })
})

test('runs are told apart by their owner, their id and the key; two that start at once are one workflow', async () => {
  const run = aRun()
  const [one, two] = await Promise.all([start(run), start(run)])
  expect(one!.workflowId).toBe(two!.workflowId)
  expect([one!.epoch, two!.epoch].sort()).toEqual([1, 2])
  const others = await Promise.all([
    start(run, await server.person('bob')),
    start({ ...run, key: 'm#f:1' }),
    start({ ...run, id: randomUUID() }),
  ])
  expect(others.map((other) => other.known)).toEqual([false, false, false])
})

test('a repeated request for a start is one start', async () => {
  const run = aRun()
  const body = { name: 'f', kind: 'function' as const, run }
  const replies = await Promise.all([1, 2].map(() => user.call('createWorkflow', { body, key: `start-${run.id}` })))
  expect(replies[0]).toEqual(replies[1])
})

test('changed arguments are refused, changed code too unless it is accepted, and then it is the code', async () => {
  const run = aRun({ code: hash('a'), arguments: hash('1') })
  await start(run)
  await expect(start({ ...run, arguments: hash('2') })).rejects.toMatchObject({ code: 'arguments_changed' })
  await expect(start({ ...run, code: hash('b') })).rejects.toMatchObject({ code: 'code_changed' })
  expect(await start({ ...run, code: hash('b'), acceptCode: true })).toMatchObject({ epoch: 2 })
  expect(await start({ ...run, code: hash('b') })).toMatchObject({ epoch: 3 })
  await expect(start(run)).rejects.toMatchObject({ code: 'code_changed' })
  expect(await start({ ...run, code: undefined, arguments: undefined })).toMatchObject({ epoch: 4 })
})

test('what ended otherwise than done is not continued', async () => {
  const run = aRun()
  const { workflowId: id } = await start(run)
  await user.call('cancelWorkflow', { params: { id }, body: {} })
  await expect(start(run)).rejects.toMatchObject({
    code: 'workflow_ended',
    message: expect.stringContaining('is cancelled: culm retry'),
  })
})

test('a workflow whose driver fell silent is paused, says how it is continued, and goes on when it is', async () => {
  const run = aRun({ program: 'my scan.ts' })
  const { workflowId: id } = await start(run)
  await eventually(async () => (await stateOf(id)) === 'paused', 'it is paused')
  const { cause, remedy } = await user.call('explainWorkflow', { params: { id } })
  expect([cause, remedy]).toEqual(['driver_silent', `culm run 'my scan.ts' --continue ${id}`])
  await start(run)
  const { items } = await user.call('workflowHistory', { params: { id } })
  expect(items.slice(0, 3).map(({ trigger, to }) => [trigger, to])).toEqual([
    ['started', 'running'],
    ['driverLost', 'paused'],
    ['driverBack', 'running'],
  ])
})

test('the workflows of a run, or of a program of some name, can be listed', async () => {
  const run = aRun({ program: randomUUID() })
  const [one, two] = [await start(run), await start({ ...run, key: 'session' })]
  const other = await start({ ...run, id: randomUUID() })
  const ids = async (query: object) => (await user.call('listWorkflows', { query })).items.map(({ id }) => id)
  expect(await ids({ run: run.id })).toEqual([two.workflowId, one.workflowId])
  expect(await ids({ program: run.program })).toEqual([other.workflowId, two.workflowId, one.workflowId])
  const bob = await server.person('bob')
  expect((await bob.call('listWorkflows', { query: { run: run.id } })).items).toEqual([])
  expect(await user.call('getWorkflow', { params: { id: one.workflowId } })).toMatchObject({
    run: run.id,
    program: run.program,
  })
})

test('a value is recorded once: who comes later gets the first one', async () => {
  const { workflowId } = await start(aRun())
  const made = await Promise.all(['1', '2', '3'].map((value) => record(workflowId, 'now:0', 1, value)))
  expect(made.filter((reply) => !reply.known)).toHaveLength(1)
  expect(new Set(made.map((reply) => reply.value)).size).toBe(1)
  await expect(record(workflowId, 'now:1', 1, '"\u0000"')).rejects.toMatchObject({ code: 'invalid_text' })
  await user.call('cancelWorkflow', { params: { id: workflowId }, body: {} })
  await expect(record(workflowId, 'now:1', 1, '1')).rejects.toMatchObject({ code: 'workflow_ended' })
})

test('the journal has calls and records in the order in which they came, with short outcomes, page by page', async () => {
  const { workflowId } = await start(aRun())
  const call = await submit(workflowId, 'a:0', 1, { seen: '[0]' })
  await runJobs(1, '42')
  await record(workflowId, 'now:0', 1, '17')
  const long = await submit(workflowId, 'b:0', 1, { seen: `[0,"${call.taskId}"]` })
  await runJobs(1, `"${'x'.repeat(5000)}"`)
  const map = await submit(workflowId, 'map:0', 1, { open: true, seen: '[1]' }, 2)
  const { items, next } = await journal(workflowId)
  expect(next).toBeNull()
  expect(items).toEqual([
    {
      ...{ seq: expect.any(Number), key: 'a:0', seen: '[0]', taskId: call.taskId, value: null, jobs: 1, closed: true },
      firstJobId: call.firstJobId,
      outcome: expect.objectContaining({ index: 0, state: 'finished', value: { text: '42' }, jobId: call.firstJobId }),
      earlier: false,
    },
    {
      ...{ seq: expect.any(Number), key: 'now:0', seen: null, taskId: null, value: '17', jobs: 0, closed: true },
      ...{ firstJobId: null, outcome: null, earlier: false },
    },
    expect.objectContaining({ key: 'b:0', taskId: long.taskId, seen: `[0,"${call.taskId}"]`, outcome: null }),
    expect.objectContaining({ key: 'map:0', taskId: map.taskId, jobs: 2, closed: false, outcome: null }),
  ])
  const page = await journal(workflowId, { limit: 3 })
  expect([page.items.length, page.next]).toEqual([3, items[2]!.seq])
  expect((await journal(workflowId, { after: page.next! })).items).toEqual([items[3]])
  await runJobs(2, '0')
})

test('a job reads and writes the journal of its own calls, whatever its attempt', async () => {
  const { workflowId } = await start(aRun())
  await submit(workflowId, 'outer:0', 1)
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: randomUUID(), queue: 'local', slots: 1, host: 'here', version: '1' },
  })
  const claim = (claimSeq: number) =>
    server.pilot.call('claim', {
      params: { id: pilotId },
      body: { epoch, claimSeq, cores: 1, jobs: 1, waitSeconds: 5 },
    })
  const first = (await claim(1)).jobs[0]!
  expect(await record(workflowId, 'now:0', 1, '1', server.client(first.token))).toMatchObject({ known: false })
  const failed = { what: 'failed' as const, cause: 'site' as const, error: { type: 'Oops', message: 'no' } }
  const { jobId } = first
  await server.pilot.call('report', {
    params: { id: pilotId },
    body: { epoch, reports: [{ jobId, attempt: 1, ...failed }] },
  })
  const second = (await claim(2)).jobs[0]!
  expect([second.jobId, second.attempt]).toEqual([jobId, 2])
  const job = server.client(second.token)
  expect(await record(workflowId, 'now:0', 2, '2', job)).toEqual({ value: '1', known: true })
  expect((await journal(workflowId, { scope: jobId }, job)).items).toMatchObject([{ key: 'now:0', value: '1' }])
  expect((await journal(workflowId)).items).toMatchObject([{ key: 'outer:0' }])
  const other = (await start(aRun())).workflowId
  await expect(journal(other, {}, job)).rejects.toMatchObject({ code: 'workflow_unknown' })
  await server.pilot.call('report', {
    params: { id: pilotId },
    body: { epoch, reports: [{ jobId, attempt: 2, what: 'finished', value: { text: '0' } }] },
  })
})
