import pg from 'pg'
import { secondsByRole } from './processTimes.ts'
import { type BenchResult, median, outputOf, round, withCulm } from './support.ts'

const mapSize = 1000
const mapsAtOnce = 8

/** Unbatched it takes as long for so many as others for ten times the number. */
const unbatchedJobs = 10_000

type Round = { culm: number; calls: number; graphile: number; graphileBatched: number; boss: number }

/**
 * Full life cycles: maps of 1,000 functions that do nothing, through warm runners: submit, claim, run, report with a result, stream back; and single calls with
 * 100 in flight. In the same rounds, on the same PostgreSQL, what graphile-worker and pg-boss need to enqueue, run in their own process and complete as many
 * jobs; they keep no results and no history, and nothing of theirs goes over HTTP. Beside the rate: the processor time that each part of Culm took for a job.
 * `--jobs=N`, `--rounds=N`, `--slots=S`, `--calls=N`, `--no-peers`.
 */
export const run = (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const jobs = Number(options.jobs ?? 10_000)
  const calls = Number(options.calls ?? 5000)
  const rounds = Number(options.rounds ?? 3)
  return withCulm(
    async ({ env, databaseUrl }) => {
      const program = async (...args: (string | number)[]) =>
        Number(await outputOf('node_modules/.bin/tsx', ['bench/programs/runNoop.ts', ...args.map(String)], env))
      const peer = (file: string, count: number, ...args: string[]) => peerRate(databaseUrl, file, count, args)
      await program('maps', Math.min(jobs, 20_000), mapSize, mapsAtOnce)
      const results: Round[] = []
      const used = new Map<string, number>()
      for (let i = 0; i < rounds; i++) {
        const before = secondsByRole()
        const seconds = await program('maps', jobs, mapSize, mapsAtOnce)
        for (const [role, after] of secondsByRole())
          used.set(role, (used.get(role) ?? 0) + after - (before.get(role) ?? 0))
        const without = options['no-peers'] === true
        results.push({
          culm: jobs / seconds,
          calls: calls > 0 ? calls / (await program('calls', calls, 100)) : 0,
          graphile: without ? 0 : await peer('peerGraphile', Math.min(jobs, unbatchedJobs), 'unbatched'),
          graphileBatched: without ? 0 : await peer('peerGraphile', jobs, 'batched'),
          boss: without ? 0 : await peer('peerBoss', jobs),
        })
        console.error(`round ${i + 1}/${rounds}:`, results.at(-1))
      }
      return resultOf(jobs, results, used)
    },
    [`--slots=${options.slots ?? 4}`],
  )
}

const resultOf = (jobs: number, results: Round[], used: Map<string, number>): BenchResult => {
  const of = (key: keyof Round) => results.map((result) => result[key])
  const rate = (key: keyof Round) => round(median(of(key)), 0)
  const spread = (key: keyof Round) => `${round(Math.min(...of(key)), 0)}–${round(Math.max(...of(key)), 0)}`
  const line = (name: string, key: keyof Round) => [
    name,
    rate(key),
    spread(key),
    rate(key) > 0 ? round(rate('culm') / rate(key), 2) : '',
  ]
  const perJob = [...used].map(([role, seconds]) => [role, round((seconds / jobs / results.length) * 1e6, 0)] as const)
  return {
    title: `Full life cycles, ${jobs.toLocaleString('en')} jobs`,
    variant: jobs,
    columns: ['', 'per second, median', 'spread', 'Culm is times as fast'],
    rows: [
      line('Culm: maps of 1,000', 'culm'),
      line('Culm: single calls, 100 in flight', 'calls'),
      line('graphile-worker 0.17.3, local queue, batched completion', 'graphileBatched'),
      line('graphile-worker 0.17.3, unbatched', 'graphile'),
      line('pg-boss 10.4.2, batches of 5,000', 'boss'),
    ],
    json: {
      jobs,
      rounds: results.length,
      jobsPerSecond: rate('culm'),
      callsPerSecond: rate('calls'),
      peers: {
        graphileWorkerBatched: rate('graphileBatched'),
        graphileWorker: rate('graphile'),
        pgBoss: rate('boss'),
      },
      microsecondsPerJob: Object.fromEntries(perJob),
    },
    notes: [
      'Medians of interleaved rounds on one machine and one PostgreSQL, `synchronous_commit = on`. Culm: driver, server, agents, pilot and runners are processes of their own, over HTTP, with results, attempts and history kept. The peers: everything in one process, no results, no history.',
      `Processor time of a job in a map, µs: ${perJob.map(([role, us]) => `${role} ${us}`).join(', ')}. (The driver is not in it: it ends before it can be measured.)`,
    ],
  }
}

/** Jobs per second of a peer, in a database of its own beside ours. */
const peerRate = async (databaseUrl: string, file: string, jobs: number, args: string[]): Promise<number> => {
  const url = new URL(databaseUrl)
  url.pathname = '/peer'
  await inDatabase(databaseUrl, 'drop database if exists peer with (force)')
  await inDatabase(databaseUrl, 'create database peer')
  const out = await outputOf(
    'node_modules/.bin/tsx',
    [`bench/programs/${file}.ts`, url.href, String(jobs), ...args],
    process.env,
  )
  await inDatabase(databaseUrl, 'drop database peer with (force)')
  return jobs / Number(out.trim().split('\n').at(-1))
}

const inDatabase = async (databaseUrl: string, statement: string): Promise<void> => {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query(statement)
  await client.end()
}
