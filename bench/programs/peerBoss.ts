/** Seconds for `jobs` through pg-boss in this process, from the first enqueue to the last completion. */
import PgBoss from 'pg-boss'

const [connectionString, count] = process.argv.slice(2) as [string, string]
const jobs = Number(count)
const boss = new PgBoss({ connectionString, max: 12 })
boss.on('error', (error) => {
  throw error
})
await boss.start()
await boss.createQueue('noop')

let ran = 0
// Four loops with large batches and its shortest poll: the quickest settings found in the house's measurement.
for (let n = 0; n < 4; n++)
  await boss.work('noop', { batchSize: 5000, pollingIntervalSeconds: 0.5 }, async (batch) => {
    ran += batch.length
  })

const begin = performance.now()
for (let from = 0; from < jobs; from += 1000)
  await boss.insert(
    Array.from({ length: Math.min(1000, jobs - from) }, (_, i) => ({ name: 'noop', data: { x: from + i } })),
  )
for (;;) {
  if (ran >= jobs && (await boss.getQueueSize('noop', { before: 'completed' })) === 0) break
  await new Promise((resolve) => setTimeout(resolve, 20))
}
console.log((performance.now() - begin) / 1000)
await boss.stop({ graceful: false, wait: false })
process.exit(0)
