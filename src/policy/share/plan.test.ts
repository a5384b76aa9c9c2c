import { expect, test } from 'vitest'
import { planClaim } from './plan.ts'

const lane = (laneId: number, cores: number, memoryMb = 0) => ({ laneId, cores, memoryMb, low: 0, mayHaveWork: true })
const ask = (lanes: ReturnType<typeof lane>[], cores: number, memoryMb: number | null = null, jobs = 100) =>
  planClaim(lanes, { cores, memoryMb, jobs })?.lanes.map(({ laneId, n }) => [laneId, n])

test('lanes of the largest class that fits are asked first, for as many jobs as fit', () => {
  expect(ask([lane(1, 1), lane(2, 8), lane(3, 64), lane(4, 8)], 16)).toEqual([
    [2, 2],
    [4, 2],
  ])
  expect(ask([lane(1, 1, 4000)], 16, 10_000)).toEqual([[1, 2]])
  expect(ask([lane(1, 1)], 16, null, 3)).toEqual([[1, 3]])
})

test('a lane known to be empty is not asked', () => {
  expect(planClaim([{ ...lane(1, 1), mayHaveWork: false }], { cores: 4, memoryMb: null, jobs: 4 })).toBeUndefined()
})

test('without room nothing is asked for', () => {
  expect(ask([lane(1, 1)], 0)).toBeUndefined()
  expect(ask([lane(1, 1)], 1, null, 0)).toBeUndefined()
  expect(ask([lane(1, 1, 4000)], 16, 3000)).toBeUndefined()
})
