import { request } from 'undici'
import { beforeAll, expect, test } from 'vitest'
import { eventually, startTestServer, type TestServer } from '../../test/support/server.ts'
import { csvLine } from './csv.ts'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  const { workflowId } = await server.user.call('createWorkflow', { body: { name: 'w', kind: 'tasks' } })
  const labels = { sum: '=1+1', words: 'a "b", c' }
  const jobs = [{ args: { text: '{}' } }, { args: { text: '{}' } }]
  const payload = { kind: 'command' as const, command: ['true'] }
  await server.user.call('submitTask', { body: { workflowId, name: 't', payload, jobs, labels } })
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name: 'p', queue: 'local', slots: 2, host: 'h', version: '1' },
  })
  const params = { id: pilotId }
  const claim = { epoch, claimSeq: 1, cores: 2, jobs: 2, waitSeconds: 5 }
  const taken = await server.pilot.call('claim', { params, body: claim })
  const usage = { wallSeconds: 1.5, cpuSeconds: 1 }
  const reports = taken.jobs.map(({ jobId, attempt }) => ({ jobId, attempt, what: 'finished' as const, usage }))
  await server.pilot.call('report', { params, body: { epoch, reports } })
  await eventually(async () => (await server.user.call('usage')).items[0]?.finished === 2, 'it is added up')
})

const table = async (query: string) => {
  const headers = { authorization: `Bearer ${server.userToken}` }
  const { headers: answered, body, statusCode } = await request(`${server.url}/v1/usage?${query}`, { headers })
  return { status: statusCode, type: answered['content-type'], text: await body.text() }
}

test('a report comes as a table with a header, and what spreadsheets take for a formula is text there', async () => {
  const { type, text } = await table('by=label:sum&format=csv')
  expect(type).toContain('text/csv')
  expect(text).toBe(`at,name,attempts,finished,failed,cancelled,wall_seconds,cpu_seconds\r\n,'=1+1,2,2,0,0,3,2\r\n`)
  expect((await table('by=label:words&format=csv')).text).toContain(',"a ""b"", c",2,2,')
  expect((await table('by=user&step=hour&format=csv')).text).toMatch(
    /\r\n\d{4}-\d\d-\d\dT\d\d:00:00\.000Z,ann,2,2,0,0,3,2\r\n$/,
  )
})

test('what cannot be asked is refused with the field', async () => {
  for (const query of ['by=weather', 'by=label:', 'step=week', 'from=yesterday', 'limit=201', 'limit=0'])
    expect((await table(query)).status, query).toBe(400)
})

test.each([
  ['a,b', '"a,b"'],
  ['"', '""""'],
  ['one\ntwo', '"one\ntwo"'],
  ['-1', "'-1"],
  ['@x', "'@x"],
  ['\tx', "'\tx"],
  [-1, '-1'],
  ['plain', 'plain'],
])('a field %j stands in a table as %j', (field, written) => {
  expect(csvLine([field])).toBe(`${written}\r\n`)
})
