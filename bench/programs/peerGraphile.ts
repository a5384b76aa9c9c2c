/** Seconds for `jobs` through graphile-worker in this process, from the first enqueue to the last completion. `batched`: its local queue and batched completion. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker'

const [connectionString, count, mode] = process.argv.slice(2) as [string, string, string]
const jobs = Number(count)
const utils = await makeWorkerUtils({ connectionString })
await utils.migrate()

let ran = 0
let finish = () => {}
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
// As its authors advise for throughput; the numbers of the local queue are those of the house's measurement.
const batched = mode === 'batched' ? { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {}
const runner = await run({
  connectionString,
  taskList: {
    noop: async () => {
      if (++ran === jobs) finish()
    },
  },
  logger: new Logger(() => () => {}),
  noHandleSignals: true,
  preset: { worker: { concurrentJobs: 24, maxPoolSize: 12, ...batched } },
})

const begin = performance.now()
for (let from = 0; from < jobs; from += 1000) {
  const part = Array.from({ length: Math.min(1000, jobs - from) }, (_, i) => ({
    identifier: 'noop',
    payload: { x: from + i },
  }))
  await utils.addJobs(part)
}
await finished
// A job is complete when its row is gone, which the last ones' may be a moment later.
const left = () =>
  utils.withPgClient(async (client) => {
    const { rows } = await client.query('select count(*)::int as n from graphile_worker.jobs')
    return rows[0].n as number
  })
while ((await left()) > 0) await new Promise((resolve) => setTimeout(resolve, 2))
console.log((performance.now() - begin) / 1000)
await runner.stop()
await utils.release()
