import { expect, test } from 'vitest'
import { planClaim } from './plan.ts'

const lane = (laneId: number, cores: number, memoryMb = 0, gpus = 0) => ({
  ...{ laneId, cores, memoryMb, gpus },
  ...{ low: 0, mayHaveWork: true },
})
const ask = (lanes: ReturnType<typeof lane>[], cores: number, memoryMb: number | null = null, jobs = 100, gpus = 0) =>
  planClaim(lanes, { cores, memoryMb, gpus, jobs })?.lanes.map(({ laneId, n }) => [laneId, n])

test('lanes of the largest class that fits are asked first, for as many jobs as fit', () => {
  expect(ask([lane(1, 1), lane(2, 8), lane(3, 64), lane(4, 8)], 16)).toEqual([
    [2, 2],
    [4, 2],
  ])
  expect(ask([lane(1, 1, 4000)], 16, 10_000)).toEqual([[1, 2]])
  expect(ask([lane(1, 1)], 16, null, 3)).toEqual([[1, 3]])
})

test('a lane known to be empty is not asked', () => {
  expect(
    planClaim([{ ...lane(1, 1), mayHaveWork: false }], { cores: 4, memoryMb: null, gpus: 0, jobs: 4 }),
  ).toBeUndefined()
})

test('without room nothing is asked for', () => {
  expect(ask([lane(1, 1)], 0)).toBeUndefined()
  expect(ask([lane(1, 1)], 1, null, 0)).toBeUndefined()
  expect(ask([lane(1, 1, 4000)], 16, 3000)).toBeUndefined()
})

test('lanes that want GPUs come before larger ones that want none, for as many jobs as there are GPUs', () => {
  const lanes = [lane(1, 8), lane(2, 1, 0, 1), lane(3, 1, 0, 2)]
  expect(ask(lanes, 16, null, 100, 3)).toEqual([[3, 1]])
  expect(ask(lanes, 16, null, 100, 1)).toEqual([[2, 1]])
  expect(ask(lanes, 16)).toEqual([[1, 2]])
  expect(ask([lane(2, 1, 0, 1)], 16)).toBeUndefined()
})
