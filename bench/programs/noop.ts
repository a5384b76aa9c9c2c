import { work, workflow } from 'culm'

export const noop = work((x: number) => x)

/** Maps of `size` jobs each, `atOnce` of them under way at a time, until `jobs` have ended; how long that took from the first submission to the last value, s. */
export const lifeCycles = workflow(async (jobs: number, size: number, atOnce: number): Promise<number> => {
  const starts = Array.from({ length: Math.ceil(jobs / size) }, (_, i) => i * size).values()
  const begin = performance.now()
  const lane = async () => {
    for (const first of starts) {
      const items = Array.from({ length: Math.min(size, jobs - first) }, (_, i) => first + i)
      const values = await noop.map(items)
      if (values.length !== items.length || values.some((value, i) => value !== items[i]))
        throw new Error('a wrong value')
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return (performance.now() - begin) / 1000
})

/** Single calls, `atOnce` in flight; s. */
export const manyCalls = workflow(async (calls: number, atOnce: number): Promise<number> => {
  const left = Array.from({ length: calls }, (_, i) => i).values()
  const begin = performance.now()
  const lane = async () => {
    for (const i of left) if ((await noop(i)) !== i) throw new Error('a wrong value')
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return (performance.now() - begin) / 1000
})
