import { work, workflow } from 'culm'

/** Runs as a job, wherever there is a slot. */
export const square = work((x: number) => x * x)

/** Runs here, and grows a workflow of jobs: `npx culm run hello.ts 10`. */
export const main = workflow(async (n: number = 10) => {
  const squares = await square.map(Array.from({ length: n }, (_, i) => i + 1))
  return squares.reduce((sum, x) => sum + x, 0)
})
