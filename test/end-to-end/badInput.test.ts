import { connect } from 'node:net'
import { request } from 'undici'
import { beforeAll, expect, test, vi } from 'vitest'
import type { Client } from '../../src/contract/client.ts'
import { sql } from '../../src/store/db.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: Client
/** The first of a fresh database. */
const workflowId = 'w1'

beforeAll(async () => {
  server = await startTestServer()
  user = server.user
  await user.call('createWorkflow', { body: { name: 'bad input', kind: 'function' } })
})

const raw = async (
  body: string,
  {
    path = '/v1/tasks',
    token = server.userToken,
    type = 'application/json',
    method = 'POST' as 'POST' | 'GET' | 'PATCH',
  } = {},
) => {
  const {
    statusCode,
    headers,
    body: answer,
  } = await request(server.url + path, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(method === 'GET' ? {} : { 'content-type': type }),
    },
    body: method === 'GET' ? undefined : body,
  })
  const text = await answer.text()
  return { status: statusCode, type: headers['content-type'], problem: JSON.parse(text) as Record<string, unknown> }
}

const args = { text: '{"a":[1]}' }
const good = (more: object = {}) => ({
  workflowId,
  name: 'good',
  payload: { kind: 'command', command: ['true'] },
  jobs: [{ args }],
  ...more,
})
const counts = () =>
  server.engine.db.row<object>(sql`
    select (select count(*) from task) as tasks, (select count(*) from job) as jobs, (select count(*) from spec) as specs, (select count(*) from ready) as ready,
           (select count(*) from call) as calls, (select count(*) from task_delta) + (select count(*) from task_count) as counters, (select count(*) from workflow) as workflows`)

const lone = '\\ud800'
test.each([
  ['malformed JSON', '{"workflowId": "w1", ', 400, 'malformed_json'],
  ['no body', '', 400, 'malformed_json'],
  ['an unknown field', JSON.stringify(good({ memoryMB: 5 })), 400, 'invalid_input'],
  ['an unknown field deep inside', JSON.stringify(good({ jobs: [{ args, arg: 1 }] })), 400, 'invalid_input'],
  ['a missing field', JSON.stringify({ workflowId }), 400, 'invalid_input'],
  ['a wrong type', JSON.stringify(good({ cores: '4' })), 400, 'invalid_input'],
  ['a value out of range', JSON.stringify(good({ priority: 9000 })), 400, 'invalid_input'],
  ['NUL in a name', JSON.stringify(good({ name: 'a\u0000b' })), 400, 'invalid_input'],
  ['a lone surrogate in a name', JSON.stringify(good()).replace('"good"', `"${lone}"`), 400, 'invalid_input'],
  [
    'a lone surrogate in a label',
    JSON.stringify(good({ labels: { a: 'X' } })).replace('"X"', `"${lone}"`),
    400,
    'invalid_input',
  ],
  [
    'a raw NUL in a value',
    JSON.stringify(good({ jobs: [{ args }, { args: { text: '\u0000' } }] })),
    400,
    'invalid_text',
  ],
  [
    'a raw lone surrogate in a value',
    JSON.stringify(good({ jobs: [{ args: { text: 'X' } }] })).replace('"X"', `"${lone}"`),
    400,
    'invalid_text',
  ],
  [
    'NUL in a command',
    JSON.stringify(good({ payload: { kind: 'command', command: ['a\u0000b'] } })),
    400,
    'invalid_text',
  ],
  ['an id of another kind', JSON.stringify(good({ workflowId: 't1' })), 400, 'invalid_input'],
  ['an unknown workflow', JSON.stringify(good({ workflowId: 'w999999' })), 404, 'workflow_unknown'],
  ['no such queue', JSON.stringify(good({ queue: 'nowhere' })), 404, 'queue_unknown'],
  [
    'a bundle that was never sent',
    JSON.stringify(
      good({ payload: { kind: 'function', bundle: '0'.repeat(64), module: 'm.js', export: 'f', language: 'node' } }),
    ),
    404,
    'bundle_unknown',
  ],
  ['a parent that does not exist', JSON.stringify(good({ after: ['t999999'] })), 422, 'parent_unknown'],
  [
    'a value above what goes inline',
    JSON.stringify(good({ jobs: [{ args: { text: 'x'.repeat(1_000_001) } }] })),
    400,
    'invalid_input',
  ],
  [
    'a body above the limit',
    JSON.stringify(good({ jobs: Array.from({ length: 20 }, () => ({ args: { text: 'x'.repeat(900_000) } })) })),
    413,
    'body_too_large',
  ],
])('%s is refused with its code and remedy, and nothing is written', async (_, body, status, code) => {
  const before = await counts()
  const answer = await raw(body)
  expect([answer.status, answer.problem.code]).toEqual([status, code])
  expect(answer.type).toMatch('application/problem+json')
  expect(answer.problem).toMatchObject({
    type: `urn:culm:fault:${code}`,
    title: expect.any(String),
    detail: expect.any(String),
    help: expect.stringMatching(/.{10}/),
  })
  expect(await counts()).toEqual(before)
})

test('the detail names the field', async () => {
  expect((await raw(JSON.stringify(good({ memoryMB: 5 })))).problem.detail).toBe('body.memoryMB: no such field')
  expect((await raw(JSON.stringify(good({ jobs: [{ args }, { args, arg: 1 }] })))).problem.detail).toBe(
    'body.jobs.1.arg: no such field',
  )
})

test('an argument of 2 GB is refused before it is sent', async () => {
  await expect(user.call('createBlob', { body: { hash: '0'.repeat(64), bytes: 2_000_000_000 } })).rejects.toMatchObject(
    { code: 'blob_too_large' },
  )
})

test('values carry NUL, surrogates and anything else that is escaped in their text', async () => {
  const text = JSON.stringify({ a: ['\u0000', '\ud800', '\u{1f4a5}', 1e308] })
  const { firstJobId } = await user.call('submitTask', { body: good({ jobs: [{ args: { text } }] }) as never })
  expect((await user.call('getJob', { params: { id: firstJobId! } })).args).toEqual({ text })
})

test.each([
  ['no token', '', 401, 'unauthenticated'],
  ['a wrong token', 'nonsense', 401, 'unauthenticated'],
  ['a forged token of a job', 'cj.1.1.1.1.1.1.AAAA', 401, 'unauthenticated'],
])('%s is refused', async (_, token, status, code) => {
  const { status: got, problem } = await raw(JSON.stringify(good()), { token })
  expect([got, problem.code]).toEqual([status, code])
})

test('a pilot’s token opens nothing of a user, and a user’s nothing of a pilot', async () => {
  expect((await raw(JSON.stringify(good()), { token: server.pilotToken })).problem.code).toBe('forbidden')
  await expect(
    user.call('registerPilot', { body: { name: 'x', queue: 'local', slots: 1, host: 'h', version: '1' } }),
  ).rejects.toMatchObject({ code: 'forbidden' })
})

test('someone else of the experiment may look at a task but not cancel it; someone of another experiment does not even see it', async () => {
  const { taskId } = await user.call('submitTask', { body: good() as never })
  const colleague = await server.person('bob')
  expect((await colleague.call('getTask', { params: { id: taskId } })).id).toBe(taskId)
  await expect(colleague.call('cancelTask', { params: { id: taskId } })).rejects.toMatchObject({ code: 'forbidden' })
  await expect(colleague.call('submitTask', { body: good() as never })).rejects.toMatchObject({ code: 'forbidden' })
  await expect(
    colleague.call('submitTask', {
      body: {
        ...good(),
        workflowId: (await colleague.call('createWorkflow', { body: { name: 'own', kind: 'tasks' } })).workflowId,
        after: [taskId],
      } as never,
    }),
  ).rejects.toMatchObject({ code: 'parent_unknown' })
  const other = await server.engine.db.row<{ id: number }>(
    sql`insert into experiment (name) values ('another') returning id`,
  )
  await server.engine.db.run(sql`insert into team (experiment_id, name) values (${other!.id}, 'users')`)
  const stranger = await server.person('eve', other!.id)
  for (const route of ['getTask', 'cancelTask', 'listOutcomes', 'explainTask'] as const)
    await expect(stranger.call(route, { params: { id: taskId } })).rejects.toMatchObject({ code: 'task_unknown' })
  expect((await stranger.call('listTasks', {})).items).toEqual([])
})

test.each([
  ['GET', '/v1/nothing', 404, 'route_unknown'],
  ['PATCH', '/v1/tasks', 405, 'method_unknown'],
  ['GET', '/v1/tasks/j1', 400, 'invalid_id'],
  ['GET', '/v1/tasks?limit=9999', 400, 'invalid_input'],
  ['GET', '/v1/tasks?after=%21%21', 400, 'invalid_cursor'],
  ['GET', '/v1/jobs/j999999999', 404, 'job_unknown'],
] as const)('%s %s', async (method, path, status, code) => {
  const { status: got, problem } = await raw('{}', { method, path })
  expect([got, problem.code]).toEqual([status, code])
})

test('bytes that are not what their hash says are not stored', async () => {
  const { url } = await user.call('createBlob', { body: { hash: '1'.repeat(64), bytes: 5 } })
  await expect(user.put(url!, Buffer.from('hello'))).rejects.toMatchObject({ code: 'blob_mismatch' })
  await expect(user.put(url!.replace('n=5', 'n=6'), Buffer.from('hello!'))).rejects.toMatchObject({
    code: 'signature_invalid',
  })
  await expect(user.call('getBlob', { params: { hash: '1'.repeat(64) } })).rejects.toMatchObject({
    code: 'blob_unknown',
  })
})

test('who is cut off while he sends bytes is no failure of the server, and nothing of it is kept', async () => {
  const [stored, failed] = [vi.spyOn(server.engine.storage, 'put'), vi.spyOn(server.engine.log, 'error')]
  const { url } = await user.call('createBlob', { body: { hash: '2'.repeat(64), bytes: 100 } })
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  const head = `PUT ${url} HTTP/1.1\r\nHost: here\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n`
  socket.write(`${head}0123456789`, () => socket.destroy())
  await expect.poll(() => stored.mock.settledResults[0]?.type).toBe('rejected')
  await expect(user.call('getBlob', { params: { hash: '2'.repeat(64) } })).rejects.toMatchObject({
    code: 'blob_unknown',
  })
  expect(failed).not.toHaveBeenCalled()
  vi.restoreAllMocks()
})

test('one bad report does not spoil its neighbours', async () => {
  const { taskId } = await user.call('submitTask', { body: good({ jobs: [{ args }, { args }, { args }] }) as never })
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: 'reporter', queue: 'local', slots: 100, host: 'h', version: '1' },
  })
  const { jobs } = await server.pilot.call('claim', {
    params: { id: pilotId },
    body: { epoch, claimSeq: 1, cores: 100, jobs: 100, waitSeconds: 5 },
  })
  const mine = jobs.filter((job) => job.taskId === taskId)
  const finish = (job: (typeof jobs)[number], attempt = 1) => ({
    jobId: job.jobId,
    attempt,
    what: 'finished' as const,
    value: { text: '1' },
  })
  const { answers } = await server.pilot.call('report', {
    params: { id: pilotId },
    body: {
      epoch,
      reports: [finish(mine[0]!), finish(mine[1]!, 9), { ...finish(mine[2]!), jobId: 'j987654321' }, finish(mine[2]!)],
    },
  })
  expect(answers.map((a) => a.answer)).toEqual(['moved', 'stale', 'unknown', 'moved'])
})
