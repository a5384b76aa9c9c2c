import { expect, test } from 'vitest'
import { type OpenRoom, planHandOver } from './handOver.ts'

const offer = (jobs: number, { cores = 1, memoryMb = 0, gpus = 0, queueIds = [1] } = {}) => ({
  ...{ jobs, cores, memoryMb, gpus, queueIds },
})
const claim = (
  cores: number,
  { queueId = 1, memoryMb = null as number | null, gpus = 0, jobs = cores } = {},
): OpenRoom => ({
  queueId,
  room: { cores, memoryMb, gpus, jobs },
})

test('the claim that has waited longest gets all that fits, the next ones the rest', () => {
  expect(planHandOver([offer(10)], [claim(4), claim(8)])).toEqual([
    [
      { claim: 0, jobs: 4 },
      { claim: 1, jobs: 6 },
    ],
  ])
})

test('what one offer has taken of a room the next does not find', () => {
  expect(planHandOver([offer(3), offer(3), offer(3)], [claim(4)])).toEqual([
    [{ claim: 0, jobs: 3 }],
    [{ claim: 0, jobs: 1 }],
    [],
  ])
  expect(
    planHandOver([offer(1, { memoryMb: 700 }), offer(1, { memoryMb: 700 })], [claim(9, { memoryMb: 1000 })]),
  ).toEqual([[{ claim: 0, jobs: 1 }], []])
  expect(planHandOver([offer(2, { gpus: 1 }), offer(2, { gpus: 2 })], [claim(9, { gpus: 3 })])).toEqual([
    [{ claim: 0, jobs: 2 }],
    [],
  ])
})

test('a claim gets only what its queue may run, and what is not too large for it', () => {
  expect(planHandOver([offer(1, { queueIds: [2, 3] })], [claim(1), claim(1, { queueId: 3 })])).toEqual([
    [{ claim: 1, jobs: 1 }],
  ])
  expect(planHandOver([offer(5, { cores: 8 })], [claim(4), claim(17)])).toEqual([[{ claim: 1, jobs: 2 }]])
  expect(planHandOver([offer(5)], [claim(9, { jobs: 2 })])).toEqual([[{ claim: 0, jobs: 2 }]])
})

test('with nobody waiting, or nothing to give, nothing is handed over', () => {
  expect(planHandOver([offer(5)], [])).toEqual([[]])
  expect(planHandOver([offer(0)], [claim(4)])).toEqual([[]])
})
