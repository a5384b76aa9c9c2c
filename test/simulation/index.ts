/**
 * `npm run simulate -- [--seeds N] [--jobs N] [--from S] [--workers W]`: seeds S … S+N-1, each of about so many jobs, W at a time, each on a PostgreSQL of its own. A seed
 * that fails prints what is wrong, the steps that led there, and how to run it again; the exit code says whether any did.
 */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ownTemplate } from './postgres.ts'
import { simulate, type Verdict } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    jobs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    'stop-at': { type: 'string', default: '5' },
    worker: { type: 'boolean', default: false },
  },
})
const [seeds, jobs, from, stopAt] = [values.seeds, values.jobs, values.from, values['stop-at']].map(Number) as [
  number,
  number,
  number,
  number,
]
if (values.worker) await work()
else await runAll(Math.min(seeds, Number(values.workers)))

/** One of several processes: gets a seed, gives its verdict, until it hears no more. */
async function work(): Promise<void> {
  const template = await ownTemplate()
  process.on('message', async (seed: number) => process.send!(await simulate(template, { seed, jobs })))
  process.on('disconnect', () => void template.close().then(() => process.exit()))
  process.send!('ready')
}

async function runAll(workers: number): Promise<void> {
  const failed: number[] = []
  const sum = { jobs: 0, steps: 0, virtualSeconds: 0, seconds: 0 }
  const began = performance.now()
  let next = from
  let done = 0
  const judged = (verdict: Verdict) => {
    done++
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += verdict[key]
    if (verdict.broken.length > 0) {
      failed.push(verdict.seed)
      tell(verdict)
    }
    const line = `${done}/${seeds}: seed ${verdict.seed}: ${verdict.jobs} jobs, ${verdict.steps} steps, ${verdict.virtualSeconds.toFixed(0)} s of virtual time in ${verdict.seconds.toFixed(1)} s`
    if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${line}, ${failed.length} broken`)
    else if (seeds <= 20 || done % 10 === 0) console.log(`${line} (${verdict.digest.slice(0, 12)})`)
  }
  const lane = async (_: unknown, i: number) => {
    const worker = fork(fileURLToPath(import.meta.url), ['--worker', '--jobs', values.jobs])
    keepOnCore(worker.pid!, i % availableParallelism())
    const died = diedOf(worker)
    died.catch(() => {}) // which it does in the end
    const heard = async () => (await Promise.race([once(worker, 'message'), died]))[0]
    await heard()
    while (next < from + seeds && failed.length < stopAt) {
      worker.send(next++)
      judged((await heard()) as Verdict)
    }
    worker.disconnect()
    await once(worker, 'exit')
  }
  await Promise.all(Array.from({ length: workers }, lane))
  const [hours, minutes] = [(sum.virtualSeconds / 3600).toFixed(1), ((performance.now() - began) / 60_000).toFixed(1)]
  console.log(
    `\n${done} seeds, ${sum.jobs} jobs, ${sum.steps} steps, ${hours} h of virtual time in ${minutes} min; broken: ${failed.join(', ') || 'none'}`,
  )
  process.exitCode = failed.length > 0 ? 1 : 0
}

/**
 * A worker and its database take turns, so that they want one core: a statement that does nothing takes 80 µs there, and 330 µs where each wakes the other on a core of its own.
 * What cannot be kept so (`taskset` is Linux's) only takes longer.
 */
function keepOnCore(pid: number, core: number): void {
  execFile('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], () => {})
}

async function diedOf(worker: ReturnType<typeof fork>): Promise<never> {
  const [code, signal] = await once(worker, 'exit')
  throw new Error(`a worker ended with ${signal ?? code}`)
}

function tell({ seed, broken, trace }: Verdict): void {
  console.log(`\nseed ${seed} is broken:`)
  for (const line of broken.slice(0, 20)) console.log(`  ${line}`)
  if (broken.length > 20) console.log(`  … and ${broken.length - 20} more`)
  console.log(trace.map((line) => `    ${line}`).join('\n'))
  console.log(`run it again: npm run simulate -- --from ${seed} --seeds 1 --jobs ${jobs}\n`)
}
