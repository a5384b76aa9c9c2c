import { rename } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { request } from 'undici'
import { beforeAll, expect, test } from 'vitest'
import { type Client, makeClient } from '../../src/contract/client.ts'
import { openDatabase, sql } from '../../src/store/db.ts'
import { type CollectedSpan, startCollector } from '../support/collector.ts'
import { freshDatabase } from '../support/database.ts'
import { culm, freshFolder, type Running, readToken } from '../support/processes.ts'
import { eventually } from '../support/server.ts'

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

let home: string
let url: string
let databaseUrl: string
let storage: string
let server: Running
let agents: Running
let pilot: Running
let user: Client
let ports: { server: number; agents: number; pilot: number }
let spans: CollectedSpan[]

beforeAll(async () => {
  const { config } = await freshDatabase()
  const { host, user: name, password, database } = config
  databaseUrl = `postgresql://${name}:${password}@localhost/${database}?host=${encodeURIComponent(host)}&port=${config.port}`
  home = await freshFolder()
  storage = path.join(home, 'bytes')
  const collector = await startCollector()
  spans = collector.spans
  ports = { server: await freePort(), agents: await freePort(), pilot: await freePort() }
  const env = { CULM_HOME: home, DATABASE_URL: databaseUrl, CULM_STORAGE: storage }
  // Both ways to say it: OpenTelemetry's variable, and the option.
  const traced = { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '50' }
  url = `http://127.0.0.1:${ports.server}`
  server = culm(['server', '--port', String(ports.server), '--announce', '--log-level', 'debug'], traced)
  await server.says('listening')
  agents = culm(['agents', '--metrics-port', String(ports.agents)], env)
  pilot = culm(
    ['pilot', '--slots', '2', '--metrics-port', String(ports.pilot), '--traces', collector.url, '--grace', '1'],
    { CULM_HOME: home, CULM_SERVER: url, OTEL_BSP_SCHEDULE_DELAY: '50' },
  )
  await agents.says('metrics at')
  await pilot.says('registered')
  user = makeClient({ url, token: await readToken(home) })
  return () => user.close()
})

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })

/** Submits a command by the command line, in the trace of `parent`, and gives its job when it has ended. */
const runTraced = async (...command: string[]) => {
  const submitted = culm(['submit', '--json', '--', ...command], { CULM_HOME: home, TRACEPARENT: parent })
  expect(await submitted.ended).toBe(0)
  const [, id] = /"(j\d+)"/.exec(submitted.printed())!
  return eventually(async () => {
    const job = await user.call('getJob', { params: { id: id as `j${number}` } })
    return ['finished', 'failed'].includes(job.state) && job
  }, `${id} ends`)
}

const get = async (address: string, headers: Record<string, string> = {}) => {
  const { statusCode, headers: got, body } = await request(address, { headers })
  return { status: statusCode, headers: got, text: await body.text() }
}

/** The values of one metric by its labels, as `{label="word"}`. */
const readings = (text: string, name: string): Record<string, number> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line === name || line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .map((line) => [line.slice(name.length, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )

test('one trace goes from the submission through wait, start, run and report to the payload', async () => {
  const job = await runTraced('sh', '-c', 'echo "in $TRACEPARENT"')
  const printed = await eventually(async () => {
    const { items } = await user.call('jobLog', { params: { id: job.id }, query: {} })
    return items.map((item) => item.text).join('')
  }, 'what it printed, which may come after its end')
  const names = ['culm.submit', 'culm.wait', 'culm.attempt', 'culm.start', 'culm.run', 'culm.report']
  const ours = () => spans.filter((span) => span.traceId === parent.split('-')[1])
  await eventually(async () => names.every((name) => ours().some((span) => span.name === name)), 'all spans')

  const span = Object.fromEntries(ours().map((s) => [s.name, s]))
  const { 'culm.submit': submit, 'culm.wait': wait, 'culm.attempt': attempt } = span
  expect(submit).toMatchObject({ service: 'culm-server', parentSpanId: parent.split('-')[2], failed: false })
  expect([wait!.parentSpanId, attempt!.parentSpanId]).toEqual([submit!.spanId, submit!.spanId])
  expect(attempt).toMatchObject({ service: 'culm-pilot', attributes: { 'culm.job': job.id, 'culm.attempt': 1 } })
  for (const name of ['culm.start', 'culm.run', 'culm.report'])
    expect(span[name]).toMatchObject({ parentSpanId: attempt!.spanId })
  // Each span reads the clock of its start, which has steps of a millisecond.
  expect(attempt!.endMs - span['culm.report']!.endMs).toBeGreaterThan(-2)
  expect(span['culm.run']!.startMs - wait!.endMs).toBeGreaterThan(-2)
  expect(printed).toBe(`in 00-${attempt!.traceId}-${attempt!.spanId}-01\n`)
})

test('what fails is a failed span', async () => {
  await runTraced('false')
  await eventually(
    async () => spans.some((span) => span.name === 'culm.run' && span.failed),
    'a failed span of the run',
  )
})

test('a program that is in no trace begins one at the server, and a broken traceparent is as good as none', async () => {
  const { workflowId } = await user.call('createWorkflow', { body: { name: 'plain', kind: 'tasks' } })
  const payload = { kind: 'command' as const, command: ['true'] }
  const jobs = [{ args: { text: '{}' } }]
  await user.call('submitTask', { body: { workflowId, name: 'untraced', payload, jobs }, trace: 'nonsense' })
  const submit = await eventually(
    async () => spans.find((span) => span.attributes['culm.task.name'] === 'untraced'),
    'its span',
  )
  expect(submit.parentSpanId).toBeUndefined()
})

test('each process tells what it counted', async () => {
  await runTraced('true')
  const served = await get(`${url}/metrics`)
  expect(served.headers['content-type']).toMatch('text/plain; version=0.0.4')
  const requests = readings(served.text, 'culm_request_seconds_count')
  expect(requests['{route="submitTask",status="201"}']).toBeGreaterThan(0)
  expect(readings(served.text, 'culm_jobs_submitted_total')['']).toBeGreaterThan(0)
  expect(readings(served.text, 'culm_jobs_claimed_total')['']).toBeGreaterThan(0)
  expect(readings(served.text, 'culm_pilots')['{queue="local",state="online"}']).toBe(1)
  expect(readings(served.text, 'culm_slots')['{queue="local"}']).toBe(2)
  expect(readings(served.text, 'culm_batch_items_count')['{batch="submit"}']).toBeGreaterThan(0)
  expect(served.text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)

  // An agent tells of its lag once it has waited for its time, and not only been woken.
  await eventually(async () => {
    const { text } = await get(`http://127.0.0.1:${ports.agents}/metrics`)
    const folds = readings(text, 'culm_agent_seconds_count')['{agent="fold"}'] ?? 0
    return folds > 0 && (readings(text, 'culm_agent_lag_seconds_count')['{agent="timers"}'] ?? 0) > 0
  }, 'the agents tell of their work and their lag')

  const ran = (await get(`http://127.0.0.1:${ports.pilot}/metrics`)).text
  expect(readings(ran, 'culm_pilot_attempts_total')['{end="finished"}']).toBeGreaterThan(0)
  expect(readings(ran, 'culm_pilot_slots')['']).toBe(2)
})

test('jobs by state come from counters that agree with the rows', async () => {
  const db = openDatabase({ connectionString: databaseUrl }, { connections: 1 })
  const counted = await db.rows<{ state: string; n: number }>(
    sql`select state, count(*)::int as n from job group by state order by state`,
  )
  await db.close()
  await eventually(async () => {
    const told = readings((await get(`${url}/metrics`)).text, 'culm_jobs')
    const byState = Object.fromEntries(counted.map(({ state, n }) => [state, n]))
    return Object.entries(told).every(([labels, n]) => (byState[/state="(\w+)"/.exec(labels)![1]!] ?? 0) === n)
  }, 'the gauges show what is there')
})

test('metrics are for this machine, and through a proxy for admins alone', async () => {
  const through = { 'x-forwarded-for': '192.0.2.7' }
  const asked = (token?: string) =>
    get(`${url}/metrics`, { ...through, ...(token ? { authorization: `Bearer ${token}` } : {}) })
  expect((await asked()).status).toBe(401)
  expect((await asked(await readToken(home))).status).toBe(200)
  const { token } = await user.call('createToken', { body: { queue: 'local' } })
  expect((await asked(token)).status).toBe(403)
})

test('every answer bears the id by which the log knows the request', async () => {
  const refused = await get(`${url}/v1/jobs/j999999999?x=1`, { authorization: `Bearer ${await readToken(home)}` })
  const { requestId, code } = JSON.parse(refused.text) as { requestId: string; code: string }
  expect([refused.headers['x-request-id'], code]).toEqual([requestId, 'job_unknown'])
  const line = await eventually(async () => linesOf(server).find((l) => l.requestId === requestId), 'its line')
  expect(line).toMatchObject({ level: 'info', route: 'getJob', jobId: 'j999999999', status: 404, msg: 'a request' })
  expect(line.who).toMatch(/\/\w+/)
})

test('the log is lines of JSON, and no secret is in it', async () => {
  const token = await readToken(home)
  const hash = 'ab'.repeat(32)
  const { url: signed } = await user.call('createBlob', { body: { hash, bytes: 5 } })
  await get(`${url}${signed}`)
  await get(`${url}/v1/nothing?token=${token}`, { authorization: `Bearer ${token}` })
  await eventually(async () => linesOf(server).some((line) => line.route === 'none'), 'the lines')
  const signature = new URL(signed!, url).searchParams.get('s')!
  for (const secret of [token, signature, new URL(databaseUrl).password])
    for (const { printed } of [server, agents, pilot]) expect(printed()).not.toContain(secret)
})

test('healthz speaks of the process alone; readyz of what it needs, with the cause', async () => {
  expect((await get(`${url}/readyz`)).text).toBe(
    '{"ok":true,"checks":{"database":"ok","migrations":"ok","storage":"ok"}}',
  )
  const away = `${storage}.away`
  await rename(storage, away)
  const blocked = createServer()
  await new Promise<void>((resolve) => blocked.listen(storage, resolve)) // something that is no folder
  try {
    const answer = await eventually(async () => {
      const { status, text } = await get(`${url}/readyz`)
      return status === 503 && (JSON.parse(text) as Record<string, unknown>)
    }, 'it is not ready')
    expect(answer).toMatchObject({ code: 'storage_away', checks: { database: 'ok', storage: 'storage_away' } })
    expect((await get(`${url}/healthz`)).status).toBe(200)
  } finally {
    await new Promise((resolve) => blocked.close(resolve))
    await rename(away, storage)
  }
  await eventually(async () => (await get(`${url}/readyz`)).status === 200, 'it is ready again')
})

const linesOf = ({ printed }: Running): Record<string, unknown>[] =>
  printed()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
