import { expect, test } from 'vitest'
import { splitBySize } from './atOnce.ts'

const sizes = (tasks: { jobs: number }[]) => tasks.map((task) => task.jobs)
const split = (jobs: number[], most: number) => {
  const { atOnce, later } = splitBySize(
    jobs.map((n) => ({ jobs: n })),
    most,
  )
  return [sizes(atOnce), sizes(later)]
}

test('small tasks go together up to the limit, and a large one does not keep them back', () => {
  expect(split([3, 100, 4, 3, 1], 10)).toEqual([
    [3, 4, 3],
    [100, 1],
  ])
  expect(split([10], 10)).toEqual([[10], []])
  expect(split([11, 0], 10)).toEqual([[0], [11]])
})
