import pg from 'pg'
import { Agent } from 'undici'
import { startFlow } from './flow.ts'
import { homeWithPages } from './pagesDatabase.ts'
import { type BenchResult, type Culm, quantiles, round, withCulm } from './support.ts'

const rounds = 50
/** Before they count: the statement is planned on every connection, and the server's code compiled. */
const warming = 8

/** What may be asked for: of each kind some, and those that are hardest. */
type Ids = Record<
  'w' | 'wRunning' | 'wLarge' | 't' | 'tRunning' | 'tLarge' | 'j' | 'jFailed' | 'jRunning' | 'e',
  string[]
>
type Call = { page: string; path: (ids: Ids, n: number) => string }

const of = (ids: string[], n: number): string => ids[n % ids.length]!

/** Every page of the monitor, and what it asks for. */
const calls: Call[] = [
  { page: 'all', path: () => '/v1/me' },
  { page: 'home', path: () => '/v1/overview' },
  { page: 'queues', path: () => '/v1/queues' },
  { page: 'queues', path: () => '/v1/pilots?limit=200' },
  { page: 'queues', path: () => `/v1/usage?by=queue&limit=200&${daysBack(1)}` },
  { page: 'queue', path: (_, n) => `/v1/troubles?queue=queue${1 + (n % 100)}&limit=200&${daysBack(1)}` },
  {
    page: 'finder',
    path: (_, n) => `/v1/search?q=${['fit', 'search%209', 'no%20minimum', 'w77', 'c1', 'queue7', 'zzz'][n % 7]}`,
  },
  { page: 'workflows', path: () => '/v1/workflows?limit=200' },
  { page: 'workflows', path: (_, n) => `/v1/workflows?limit=200&after=${cursor(8900 - 170 * n)}` },
  { page: 'workflows', path: () => '/v1/workflows?state=failed&limit=200' },
  { page: 'workflows', path: () => '/v1/workflows?state=expired&limit=200' },
  { page: 'workflows', path: (_, n) => `/v1/workflows?owner=user${2 + (n % 39)}&limit=200` },
  { page: 'workflows', path: (_, n) => `/v1/workflows?program=fit${n % 30}.py&state=failed&limit=200` },
  { page: 'workflows', path: (_, n) => `/v1/workflows?label=campaign%3Dc${n % 40}&limit=200` },
  { page: 'workflows', path: (_, n) => `/v1/workflows?label=campaign%3Dc${n % 40}&state=expired&limit=200` },
  {
    page: 'workflows',
    path: (_, n) => `/v1/workflows?text=${['search%201', 'search%209112', 'zzz'][n % 3]}&limit=200`,
  },
  { page: 'workflows', path: () => '/v1/tasks?limit=200' },
  { page: 'workflows', path: (_, n) => `/v1/tasks?state=${['broken', 'failed'][n % 2]}&limit=200` },
  { page: 'workflows', path: (_, n) => `/v1/tasks?text=${['zzz', 'fit'][n % 2]}&limit=200` },
  { page: 'users', path: () => '/v1/users' },
  ...(['user', 'queue', 'site', 'ending', 'cause', 'label:campaign'] as const).map((by) => ({
    page: 'reports',
    path: () => `/v1/usage?by=${by}&step=day&limit=8&${daysBack(7)}`,
  })),
  { page: 'reports: a day', path: () => `/v1/usage?by=user&step=hour&limit=8&${daysBack(1)}` },
  { page: 'reports: a month', path: () => `/v1/usage?by=user&step=day&limit=8&${daysBack(31)}` },
  { page: 'reports: a fortnight by the hour', path: () => `/v1/usage?by=queue&step=hour&limit=8&${daysBack(14)}` },
  { page: 'errors', path: () => `/v1/troubles?limit=200&${daysBack(1)}` },
  { page: 'errors: a month', path: () => `/v1/troubles?limit=200&${daysBack(31)}` },
  { page: 'error', path: ({ e }, n) => `/v1/troubles/${of(e, n)}?${daysBack(1)}` },
  { page: 'error: a month', path: ({ e }, n) => `/v1/troubles/${of(e, n)}?${daysBack(31)}` },
  { page: 'workflow', path: ({ w, wLarge }, n) => `/v1/workflows/${of(n % 2 ? w : wLarge, n)}` },
  { page: 'workflow', path: ({ wRunning, wLarge }, n) => `/v1/workflows/${of(n % 2 ? wRunning : wLarge, n)}/explain` },
  { page: 'workflow', path: ({ w, wLarge }, n) => `/v1/tasks?workflowId=${of(n % 2 ? w : wLarge, n)}&limit=200` },
  { page: 'workflow', path: ({ wLarge }, n) => `/v1/tasks?workflowId=${wLarge[0]}&limit=200&after=${cursor(100 * n)}` },
  {
    page: 'workflow: graph',
    path: ({ w, wLarge }, n) => `/v1/workflows/${of(n % 2 ? w : wLarge, n)}/graph`,
  },
  {
    page: 'workflow: story',
    path: ({ w, wLarge }, n) => `/v1/workflows/${of(n % 2 ? w : wLarge, n)}/history?limit=200`,
  },
  { page: 'task', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}` },
  { page: 'task', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/curve` },
  { page: 'task', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/troubles` },
  { page: 'task', path: ({ tRunning, tLarge }, n) => `/v1/tasks/${of(n % 2 ? tRunning : tLarge, n)}/explain` },
  { page: 'task', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/settings` },
  { page: 'task', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/jobs?limit=200` },
  { page: 'task', path: ({ tLarge }, n) => `/v1/tasks/${tLarge[0]}/jobs?limit=200&after=${cursor(2000 * n)}` },
  {
    page: 'task',
    path: ({ tRunning, tLarge }, n) => `/v1/tasks/${of(n % 2 ? tRunning : tLarge, n)}/jobs?state=failed&limit=200`,
  },
  {
    page: 'task',
    path: ({ tLarge }, n) =>
      `/v1/tasks/${tLarge[0]}/jobs?state=${['closed', 'sent'][n % 2]}&limit=50&with=args%2Cvalue`,
  },
  { page: 'task', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/spread` },
  { page: 'task, results', path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/outcomes?limit=200` },
  {
    page: 'task: metrics',
    path: ({ t, tLarge }, n) => `/v1/tasks/${of(n % 2 ? t : tLarge, n)}/metrics?name=loss&limit=200`,
  },
  { page: 'job', path: ({ j, jFailed, jRunning }, n) => `/v1/jobs/${of([j, jFailed, jRunning][n % 3]!, n)}` },
  { page: 'job', path: ({ j, jFailed, jRunning }, n) => `/v1/jobs/${of([j, jFailed, jRunning][n % 3]!, n)}/explain` },
  {
    page: 'job',
    path: ({ j, jFailed, jRunning }, n) => `/v1/jobs/${of([j, jFailed, jRunning][n % 3]!, n)}/history?limit=200`,
  },
  { page: 'job', path: ({ jRunning }, n) => `/v1/jobs/${of(jRunning, n)}/log?last=50` },
  { page: 'job', path: ({ j, jRunning }, n) => `/v1/jobs/${of(n % 2 ? j : jRunning, n)}/resources` },
  { page: 'job', path: ({ j, jRunning }, n) => `/v1/jobs/${of(n % 2 ? j : jRunning, n)}/metrics?limit=200` },
]

const daysBack = (days: number): string => `from=${new Date(Date.now() - days * 86_400_000).toISOString()}`

const cursor = (key: number): string => Buffer.from(String(Math.max(1, key))).toString('base64url')

/**
 * Every call that a page of the monitor makes, on a database of 10^5 tasks and 10^6 jobs (`bench/pages.sql`), over HTTP to the real server, beside work that goes on (`--jobs=40`
 * a second): `rounds` times each, over different things. `--only=TEXT` measures those whose address has it.
 */
export const run = async (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const home = await homeWithPages()
  const only = typeof options.only === 'string' ? options.only : ''
  return withCulm(
    async (culm) => {
      const ids = await idsIn(culm.databaseUrl)
      const flow = await startFlow(culm, { jobsPerSecond: Number(options.jobs ?? 40), jobsPerTask: 4 })
      const chosen = calls.filter(({ path }) => nameOf(path(ids, 0)).includes(only))
      const measured: Measured[] = []
      try {
        for (const call of chosen) measured.push(await measure(culm, call, ids))
      } finally {
        await flow.stop()
      }
      return resultOf(measured, flow.finished())
    },
    ['--no-pilot'],
    home,
  )
}

const idsIn = async (databaseUrl: string): Promise<Ids> => {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const some = async (noun: string, query: string) =>
    (await client.query<{ id: string }>(query)).rows.map(({ id }) => noun + id)
  const spread = (table: string, where: string) =>
    `select id from (select id, row_number() over (order by id) as n, count(*) over () as all from ${table} where ${where}) x where n % greatest(1, x.all / 60) = 0 limit 60`
  const mine = 'workflow_id in (select id from workflow where experiment_id = 1)'
  try {
    return {
      w: await some('w', spread('workflow', 'experiment_id = 1')),
      wRunning: await some('w', spread('workflow', "experiment_id = 1 and state = 'running'")),
      wLarge: await some('w', 'select workflow_id as id from workflow_count order by tasks_total desc limit 6'),
      t: await some('t', spread('task', mine)),
      tRunning: await some('t', spread('task', `${mine} and state = 'running'`)),
      tLarge: await some('t', `select id from task where ${mine} order by jobs desc limit 6`),
      j: await some('j', `select id from job where id % 16000 = 7 and ${mine}`),
      jFailed: await some('j', `select id from job where id % 50 = 7 and state = 'failed' and ${mine} limit 60`),
      jRunning: await some(
        'j',
        `select job_id as id from held join job on id = job_id where id % 20 = 0 and state = 'running' and ${mine} limit 60`,
      ),
      e: await some('e', 'select id from trouble where experiment_id = 1 order by attempts desc limit 60'),
    }
  } finally {
    await client.end()
  }
}

type Measured = { page: string; name: string; p50: number; p95: number; most: number; kilobytes: number }

const measure = async ({ url, token }: Culm, { page, path }: Call, ids: Ids): Promise<Measured> => {
  const agent = new Agent({ connections: 1 })
  const times: number[] = []
  let bytes = 0
  for (let n = -warming; n < rounds; n++) {
    const began = performance.now()
    const asked = path(ids, n + warming)
    const { statusCode, body } = await agent.request({
      origin: url,
      path: asked,
      method: 'GET',
      headers: { authorization: `Bearer ${token}` },
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${asked}: ${statusCode} ${text}`)
    if (n >= 0) times.push(performance.now() - began)
    bytes = Math.max(bytes, text.length)
  }
  await agent.close()
  const { p50, p95 } = quantiles(times)
  const made = { page, name: nameOf(path(ids, 0)), p50, p95, most: Math.max(...times), kilobytes: bytes / 1000 }
  console.error(`${made.page}  ${made.name}  p50 ${round(p50, 1)} ms, p95 ${round(p95, 1)} ms`)
  return made
}

/** The address without what differs from call to call. */
const nameOf = (path: string): string =>
  path
    .replace(/([/=])([wtje])\d+/g, (_, before: string, noun: string) => `${before}:${noun}`)
    .replace(/after=[^&]+/, 'after=…')
    .replace(/from=[^&]+/, 'from=…')
    .replace(/(user|fit)\d+/g, '$1…')

const resultOf = (measured: Measured[], jobs: number): BenchResult => {
  const pages = [...new Set(measured.map(({ page }) => page))]
  const worst = (some: Measured[]) => round(Math.max(...some.map(({ p95 }) => p95)), 1)
  return {
    title: 'Calls of the monitor’s pages with 10^5 tasks and 10^6 jobs',
    columns: ['page', 'call', 'p50 ms', 'p95 ms', 'longest ms', 'kB at most'],
    rows: measured.map(({ page, name, p50, p95, most, kilobytes }) => [
      page,
      `\`${name}\``,
      ...[p50, p95, most, kilobytes].map((x) => round(x, 1)),
    ]),
    json: {
      worstP95Ms: worst(measured),
      p95MsByPage: Object.fromEntries(pages.map((page) => [page, worst(measured.filter((one) => one.page === page))])),
      calls: measured.map(({ name, p50, p95 }) => ({ name, p50Ms: round(p50, 1), p95Ms: round(p95, 1) })),
    },
    notes: [
      `Each call ${rounds} times over different things, one after the other, over HTTP to \`culm up\`, whose server ran ${jobs} jobs meanwhile. The half of each that has small things has large ones in turns with them: a workflow of 20,000 tasks, a task of 102,000 jobs.`,
    ],
  }
}
