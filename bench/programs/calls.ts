import { work, workflow } from 'culm'

export const noop = work((x: number) => x)

/** Milliseconds of each of `n` warm calls, one at a time, from submission to value. */
export const timeCalls = workflow(async (n: number, warm: number): Promise<number[]> => {
  for (let i = 0; i < warm; i++) await noop(-i)
  const times: number[] = []
  for (let i = 1; i <= n; i++) {
    const start = performance.now()
    if ((await noop(i)) !== i) throw new Error('a wrong value')
    times.push(performance.now() - start)
  }
  return times
})
