import { work, workflow } from 'culm'

export const square = work((x: number) => x * x)

export const main = workflow(async (n: number) => {
  const squares = await square.map(Array.from({ length: n }, (_, i) => i + 1))
  return squares.reduce((sum, x) => sum + x, 0)
})
