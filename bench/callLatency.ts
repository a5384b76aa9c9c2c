import path from 'node:path'
import pg from 'pg'
import { type BenchResult, outputOf, quantiles, round, withCulm } from './support.ts'

const rounds = 3
const calls = 400
/** Until the server's code has been compiled: some thousand calls, over the rounds. */
const warm = 1000

/**
 * A warm call of a function that does nothing, one at a time, from its submission to its value in the caller: three durable commits and the trips between
 * them. TypeScript and Python in turn, `rounds` times; the figures are over all calls of all rounds.
 */
export const run = (): Promise<BenchResult> =>
  withCulm(async ({ env, databaseUrl }) => {
    const times: Record<'typescript' | 'python', number[]> = { typescript: [], python: [] }
    const trips: number[] = []
    for (let i = 0; i < rounds; i++) {
      trips.push(await tripsPerSecond(databaseUrl))
      times.typescript.push(
        ...JSON.parse(
          await outputOf('node_modules/.bin/tsx', ['bench/programs/runCalls.ts', String(calls), String(warm)], env),
        ),
      )
      times.python.push(
        ...JSON.parse(
          await outputOf('python3', ['bench/programs/calls.py', String(calls), String(warm)], {
            ...env,
            PYTHONPATH: path.resolve('python'),
          }),
        ),
      )
    }
    const [ts, py] = [quantiles(times.typescript), quantiles(times.python)]
    return {
      title: 'Latency of a call',
      columns: ['from', 'calls', 'p50 ms', 'p95 ms', 'p99 ms'],
      rows: [
        ['TypeScript', times.typescript.length, ...Object.values(ts).map((x) => round(x))],
        ['Python', times.python.length, ...Object.values(py).map((x) => round(x))],
      ],
      json: {
        p50Ms: round(ts.p50),
        p95Ms: round(ts.p95),
        p99Ms: round(ts.p99),
        pythonP50Ms: round(py.p50),
        pythonP95Ms: round(py.p95),
        pythonP99Ms: round(py.p99),
        rounds,
        tripsPerSecond: trips.map((x) => round(x, 0)),
      },
      notes: [
        '`synchronous_commit = on`; server, agents, PostgreSQL, pilot, runner and caller share the machine.',
        `The machine's own pace during the run, as trips per second of a bare \`select\` on one connection: ${trips.map((x) => round(x, 0)).join(', ')}.`,
      ],
    }
  })

/** A yardstick for the machine, which may be many times slower at one hour than at another: prepared `select $1` in sequence on one connection. */
const tripsPerSecond = async (databaseUrl: string): Promise<number> => {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const n = 3000
  const start = performance.now()
  for (let i = 0; i < n; i++) await client.query({ name: 'trip', text: 'select $1::int', values: [i] })
  const perSecond = (n / (performance.now() - start)) * 1000
  await client.end()
  return perSecond
}
