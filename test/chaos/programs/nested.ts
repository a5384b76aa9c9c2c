import { appendFileSync, readFileSync } from 'node:fs'
import { work, workflow } from 'culm'

/** Killed runners count as the user's, so these may be tried often. */
const patient = { attempts: { user: 100, site: 100, lost: 100 } }

/** Writes which attempt of which job began, and when. */
const mark = (file: string): void => {
  const { job } = (globalThis as unknown as Record<symbol, { job?: { jobId: string; attempt: number } }>)[
    Symbol.for('culm.runtime')
  ]!
  const up = readFileSync('/proc/uptime', 'utf8').split(' ')[0]
  if (job) appendFileSync(file, `${job.jobId} ${job.attempt} ${up}\n`)
}

export const leaf = work(async (marks: string, x: number, ms: number) => {
  mark(marks)
  await new Promise((resolve) => setTimeout(resolve, ms))
  return x + 1
}, patient)

/** Waits for calls of its own, and gives its slot back meanwhile. */
export const middle = work(async (marks: string, x: number) => {
  mark(marks)
  const values = await leaf.starmap([
    [marks, x, 2000],
    [marks, x * 10, 500],
  ])
  return values.reduce((sum, value) => sum + value, 0)
}, patient)

/** Too large to travel inline: it goes by the storage. */
export const large = work((marks: string, x: number) => {
  mark(marks)
  return String(x % 10).repeat(1_200_000)
}, patient)

export const main = workflow(async (marks: string, x: number) => {
  const [a, b] = await Promise.all([middle(marks, x), middle(marks, x + 1)])
  const text = await large(marks, x)
  const c = await leaf(marks, text.length, 0)
  return a + b + c
})
