import type { BenchResult } from './index.ts'
import { secondsByRole } from './processTimes.ts'
import { outputOf, round, withCulm } from './support.ts'

const mapSize = 1000
const mapsAtOnce = 8

/**
 * Full life cycles: maps of 1,000 functions that do nothing, through warm runners: submit, claim, run, report with a result, stream back. `--jobs=N`, `--slots=S`.
 * Beside the rate: the processor time that each part of the system took for a job.
 */
export const run = (options: Record<string, string | boolean>): Promise<BenchResult> => {
  const jobs = Number(options.jobs ?? 10_000)
  return withCulm(
    async ({ env }) => {
      const program = async (...args: (string | number)[]) =>
        Number(await outputOf('node_modules/.bin/tsx', ['bench/programs/runNoop.ts', ...args.map(String)], env))
      await program('maps', 10_000, mapSize, mapsAtOnce)
      const before = secondsByRole()
      const seconds = await program('maps', jobs, mapSize, mapsAtOnce)
      const after = secondsByRole()
      const perJob = [...after].map(
        ([role, used]) => [role, ((used - (before.get(role) ?? 0)) / jobs) * 1e6] as [string, number],
      )
      const calls = Math.min(jobs, 10_000)
      const callSeconds = await program('calls', calls, 100)
      return {
        title: 'Full life cycles',
        columns: ['jobs', 'seconds', 'jobs/s', 'calls/s, 100 in flight', ...perJob.map(([role]) => `${role}, µs/job`)],
        rows: [
          [
            jobs,
            round(seconds),
            round(jobs / seconds, 0),
            round(calls / callSeconds, 0),
            ...perJob.map(([, us]) => round(us, 0)),
          ],
        ],
        json: {
          jobs,
          jobsPerSecond: round(jobs / seconds, 0),
          callsPerSecond: round(calls / callSeconds, 0),
          microsecondsPerJob: Object.fromEntries(perJob.map(([role, us]) => [role, round(us, 0)])),
        },
      }
    },
    [`--slots=${options.slots ?? 4}`],
  )
}
