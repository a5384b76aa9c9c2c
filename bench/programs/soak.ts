/** Starts a map of 1,000 every `1000 / rate` seconds, for `seconds`; prints a line of JSON when one has ended: when it was due, and how long that took, s. */
import { noop } from './noop.ts'

const [rate, seconds] = process.argv.slice(2).map(Number) as [number, number]
const begin = performance.now()
const now = () => (performance.now() - begin) / 1000
const items = Array.from({ length: 1000 }, (_, i) => i)
const running: Promise<void>[] = []

const one = async (due: number) => {
  await noop.map(items)
  console.log(JSON.stringify({ due, took: now() - due }))
}
for (let n = 0; (n * 1000) / rate < seconds; n++) {
  const due = (n * 1000) / rate
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - now()) * 1000))
  running.push(one(due))
}
await Promise.all(running)
