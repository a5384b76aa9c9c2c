/**
 * `npm run simulate -- [--seeds N] [--jobs N] [--from S]`: seeds S … S+N-1, each of about so many jobs, on a PostgreSQL of its own. A seed that fails prints what is
 * wrong, the steps that led there, and how to run it again; the exit code says whether any did.
 */
import { parseArgs } from 'node:util'
import { ownTemplate } from './postgres.ts'
import { simulate, type Verdict } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    jobs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    'stop-at': { type: 'string', default: '5' },
  },
})
const [seeds, jobs, from, stopAt] = [values.seeds, values.jobs, values.from, values['stop-at']].map(Number) as [
  number,
  number,
  number,
  number,
]

const tell = ({ seed, broken, trace }: Verdict): void => {
  console.log(`\nseed ${seed} is broken:`)
  for (const line of broken.slice(0, 20)) console.log(`  ${line}`)
  if (broken.length > 20) console.log(`  … and ${broken.length - 20} more`)
  console.log(trace.map((line) => `    ${line}`).join('\n'))
  console.log(`run it again: npm run simulate -- --from ${seed} --seeds 1 --jobs ${jobs}\n`)
}

const template = await ownTemplate()
const failed: number[] = []
const sum = { jobs: 0, steps: 0, virtualSeconds: 0, seconds: 0 }
try {
  for (let seed = from; seed < from + seeds && failed.length < stopAt; seed++) {
    const verdict = await simulate(template, { seed, jobs })
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += verdict[key]
    if (verdict.broken.length > 0) {
      failed.push(seed)
      tell(verdict)
    }
    const line = `seed ${seed}: ${verdict.jobs} jobs, ${verdict.steps} steps, ${verdict.virtualSeconds.toFixed(0)} s of virtual time in ${verdict.seconds.toFixed(1)} s`
    if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${line}, ${failed.length} broken`)
    else if (seeds <= 20 || seed % 10 === 0) console.log(`${line} (${verdict.digest.slice(0, 12)})`)
  }
  const hours = (sum.virtualSeconds / 3600).toFixed(1)
  console.log(
    `\n${sum.jobs} jobs, ${sum.steps} steps, ${hours} h of virtual time in ${sum.seconds.toFixed(0)} s; broken: ${failed.join(', ') || 'none'}`,
  )
} finally {
  await template.close()
}
process.exitCode = failed.length > 0 ? 1 : 0
