import { request } from 'undici'
import { beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../test/support/server.ts'
import { maxPostedBytes } from '../contract/callbacks.ts'
import type { ClaimedJob } from '../contract/pilots.ts'

let server: TestServer
let pilotId: `p${number}`
let claimSeq = 0
beforeAll(async () => {
  server = await startTestServer({ agents: false })
  const body = { name: 'p', queue: 'local', slots: 10, host: 'h', version: '1' }
  pilotId = (await server.pilot.call('registerPilot', { body })).pilotId
})

/** A job whose payload has ended, and where its value is to be posted. */
const deferred = async (): Promise<{ job: ClaimedJob; path: string }> => {
  const { user, pilot } = server
  const { workflowId } = await user.call('createWorkflow', { body: { name: 'w', kind: 'tasks' } })
  const payload = { kind: 'command' as const, command: ['true'] }
  await user.call('submitTask', { body: { workflowId, name: 't', payload, jobs: [{ args: { text: '{}' } }] } })
  const claim = { epoch: 1, claimSeq: ++claimSeq, cores: 1, jobs: 1, waitSeconds: 5 }
  const [job] = (await pilot.call('claim', { params: { id: pilotId }, body: claim })).jobs
  const payloads = server.client(job!.token)
  const params = { id: job!.jobId }
  const { path, expiresAt } = await payloads.call('createCallback', { params, body: { seconds: 60 } })
  const report = { jobId: job!.jobId, attempt: 1, what: 'deferred' as const, until: expiresAt }
  await pilot.call('report', { params: { id: pilotId }, body: { epoch: 1, reports: [report] } })
  return { job: job!, path }
}

/** Posts as anybody may, without a token. */
const post = async (path: string, body: string, type = 'application/json') => {
  const answer = await request(server.url + path, { method: 'POST', headers: { 'content-type': type }, body })
  return { status: answer.statusCode, ...((await answer.body.json()) as Record<string, unknown>) }
}

const jobOf = ({ jobId }: ClaimedJob) => server.user.call('getJob', { params: { id: jobId } })

test('a value is kept as it was written', async () => {
  const { job, path } = await deferred()
  const text = '[1.0, 12345678901234567890, {"__proto__": {"constructor": null}}, "\\u0000"]'
  expect(await post(path, `{ "value": ${text} }`)).toMatchObject({ status: 200, jobId: job.jobId, attempt: 1 })
  expect(await jobOf(job)).toMatchObject({ state: 'finished', value: { text } })
})

test('null is a value', async () => {
  const { job, path } = await deferred()
  expect((await post(path, '{"value":null}')).status).toBe(200)
  expect(await jobOf(job)).toMatchObject({ state: 'finished', value: { text: 'null' } })
})

test('an error fails the job', async () => {
  const { job, path } = await deferred()
  const error = { type: 'ValueError', message: 'no such run' }
  expect((await post(path, JSON.stringify({ error }))).status).toBe(200)
  expect(await jobOf(job)).toMatchObject({ state: 'failed', cause: 'user', error })
})

test('what is none of these is refused with a remedy, and changes nothing', async () => {
  const { job, path } = await deferred()
  const tooMuch = `{"value":"${'x'.repeat(maxPostedBytes)}"}`
  const oops = '"error":{"type":"T","message":"m"}'
  for (const [body, status, code] of [
    ['{}', 422, 'fields_disagree'],
    [`{"value":1,${oops}}`, 422, 'fields_disagree'],
    ['{"value":1,"more":2}', 400, 'invalid_input'],
    ['{"error":{"type":"T"}}', 400, 'invalid_input'],
    ['{"error":null}', 400, 'invalid_input'],
    ['[1]', 400, 'invalid_input'],
    ['{"value":', 400, 'malformed_json'],
    ['', 400, 'malformed_json'],
    [tooMuch, 413, 'callback_too_large'],
  ] as const)
    expect(await post(path, body), body.slice(0, 40)).toMatchObject({ status, code, help: expect.any(String) })
  expect(await post(path, 'value=1', 'application/x-www-form-urlencoded')).toMatchObject({ code: 'unsupported_media' })
  // A shell that was not told to leave & alone ends the command there.
  expect(await post(path.split('&')[0]!, '{"value":1}')).toMatchObject({ status: 403, code: 'callback_invalid' })
  expect((await jobOf(job)).state).toBe('holding')
  expect((await post(path, '{"value":1}')).status).toBe(200)
})

test('as much as a value may have inline may be posted', async () => {
  const { job, path } = await deferred()
  const text = `"${'x'.repeat(maxPostedBytes - '{"value":""}'.length)}"`
  expect((await post(path, `{"value":${text}}`)).status).toBe(200)
  expect((await jobOf(job)).value).toEqual({ text })
})

test('other routes take as much as before', async () => {
  const args = { text: JSON.stringify({ a: ['x'.repeat(900_000)] }) }
  const { workflowId } = await server.user.call('createWorkflow', { body: { name: 'w', kind: 'tasks' } })
  const payload = { kind: 'command' as const, command: ['true'] }
  const body = { workflowId, name: 't', payload, jobs: [{ args }, { args }] }
  expect((await server.user.call('submitTask', { body })).jobs).toBe(2)
})
