import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import pg from 'pg'
import { secondsByRole } from './processTimes.ts'
import { type BenchResult, median, outputOf, round, withCulm } from './support.ts'

/** The same in each round, spread over the servers that there are: what changes is how many of those stand before the one database. */
const pilotsAndDrivers = 3
const slots = 2
const rounds = 5

/** Before each round: processes start, statements are planned, code is compiled. */
const warmUpJobs = 6000

type Started = { child: ChildProcess; url: string }
type Round = { servers: number; jobsPerSecond: number; used: Map<string, number> }

/** One, two and three server processes on one database: full life cycles, and whether every job ran once and was registered once. `--jobs=N` per round. */
export const run = (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const jobs = Number(options.jobs ?? 100_000)
  return withCulm(
    async ({ home, url, token, databaseUrl, env }) => {
      const withDatabase = { ...env, DATABASE_URL: databaseUrl }
      const first = { url, child: undefined }
      const more: Started[] = []
      const pilots: ChildProcess[] = []
      const results: Round[] = []
      try {
        for (let n = 0; n < 2; n++)
          more.push(await startServer(withDatabase, 20_000 + Math.floor(Math.random() * 20_000)))
        for (let i = 0; i < rounds; i++)
          for (const servers of [1, 2, 3]) {
            const started = [first, ...more].slice(0, servers)
            const urls = Array.from({ length: pilotsAndDrivers }, (_, n) => started[n % servers]!.url)
            for (const [n, server] of urls.entries()) pilots.push(startPilot(home, env, server, n))
            await allDrivers(urls, token, env, Math.ceil(warmUpJobs / pilotsAndDrivers))
            const before = secondsByRole()
            const seconds = await allDrivers(urls, token, env, Math.ceil(jobs / pilotsAndDrivers))
            const used = new Map([...secondsByRole()].map(([role, after]) => [role, after - (before.get(role) ?? 0)]))
            await Promise.all(pilots.splice(0).map(ended))
            results.push({ servers, jobsPerSecond: jobs / seconds, used })
            console.error(`round ${i + 1}, ${servers} servers: ${round(jobs / seconds, 0)}/s`)
          }
        return resultOf(jobs, results, await wrongJobs(databaseUrl))
      } finally {
        await Promise.all([...pilots, ...more.map(({ child }) => child)].map(ended))
      }
    },
    ['--no-pilot'],
  )
}

const startServer = async (env: NodeJS.ProcessEnv, port: number): Promise<Started> => {
  const child = spawn(process.execPath, ['dist/culm.js', 'server', '--port', String(port)], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  for await (const chunk of child.stderr!) {
    said += chunk
    const [, url] = /listening on (\S+)/.exec(said) ?? []
    if (url) {
      child.stderr!.resume()
      return { child, url }
    }
  }
  throw new Error(`a server did not start: ${said}`)
}

const startPilot = (home: string, env: NodeJS.ProcessEnv, url: string, n: number): ChildProcess =>
  spawn(
    process.execPath,
    ['dist/culm.js', 'pilot', '--slots', String(slots), '--folder', path.join(home, `pilot-${n}`), '--server', url],
    { env, stdio: 'ignore' },
  )

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** Seconds until the last of them has ended, without the time that the programs take to start. */
const allDrivers = async (urls: string[], token: string, env: NodeJS.ProcessEnv, jobs: number): Promise<number> => {
  const seconds = urls.map(async (url) => {
    const its = { ...env, CULM_SERVER: url, CULM_TOKEN: token }
    return Number(
      await outputOf('node_modules/.bin/tsx', ['bench/programs/runNoop.ts', 'maps', String(jobs), '1000', '4'], its),
    )
  })
  return Math.max(...(await Promise.all(seconds)))
}

/** Jobs that did not finish, ran more than once, or have not exactly one result and one attempt: there should be none. */
const wrongJobs = async (databaseUrl: string): Promise<number> => {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const { rows } = await client.query(`
    select count(*)::int as n from job j
    where state <> 'finished' or not released
       or (select count(*) from result r where r.job_id = j.id) <> 1
       or (select count(*) from attempt a where a.job_id = j.id and a.ending = 'finished') <> 1
       or (select count(*) from history h where h.noun = 'job' and h.id = j.id and h.to_state = 'finished') <> 1`)
  await client.end()
  return rows[0].n
}

const resultOf = (jobs: number, results: Round[], wrong: number): BenchResult => {
  const rates = [1, 2, 3].map((servers) => {
    const all = results.filter((one) => one.servers === servers).map((one) => one.jobsPerSecond)
    return { servers, median: round(median(all), 0), low: round(Math.min(...all), 0), high: round(Math.max(...all), 0) }
  })
  return {
    title: 'Several servers on one database',
    columns: ['servers', 'jobs/s, median', 'spread'],
    rows: rates.map(({ servers, median, low, high }) => [servers, median, `${low}–${high}`]),
    json: { jobs, wrong, jobsPerSecond: Object.fromEntries(rates.map((rate) => [rate.servers, rate.median])) },
    notes: [
      `${pilotsAndDrivers} pilots of ${slots} slots and ${pilotsAndDrivers} drivers, spread over the servers; ${jobs} jobs a round, ${rounds} interleaved rounds; all on the cores of one machine.`,
      `Processor time of a job, µs, with ${[1, 2, 3].map((servers) => `${servers}: ${usedBy(results, servers, jobs)}`).join('; ')}.`,
      `Jobs that were lost, ran twice or were registered twice: ${wrong}.`,
    ],
  }
}

const usedBy = (results: Round[], servers: number, jobs: number): string =>
  ['server', 'postgres', 'pilot', 'runners']
    .map((role) => {
      const all = results.filter((one) => one.servers === servers).map(({ used }) => used.get(role) ?? 0)
      return `${role} ${round((median(all) / jobs) * 1e6, 0)}`
    })
    .join(', ')
