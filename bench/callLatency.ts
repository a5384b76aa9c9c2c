import path from 'node:path'
import type { BenchResult } from './index.ts'
import { outputOf, quantiles, round, withCulm } from './support.ts'

const rounds = 3
const calls = 400
const warm = 100

/**
 * A warm call of a function that does nothing, one at a time, from its submission to its value in the caller: three durable commits and the trips between
 * them. TypeScript and Python in turn, `rounds` times; the figures are over all calls of all rounds.
 */
export const run = (): Promise<BenchResult> =>
  withCulm(async ({ env }) => {
    const times: Record<'typescript' | 'python', number[]> = { typescript: [], python: [] }
    for (let i = 0; i < rounds; i++) {
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
      },
      notes: [
        '`synchronous_commit = on`; server, agents, PostgreSQL, pilot, runner and caller share the machine. The same call takes 19 s in iDDS with instant scheduling (measured by others; its floor is polling).',
      ],
    }
  })
