import { expect, test } from 'vitest'
import { decideRescue } from './decide.ts'

const at = (seconds: number) => new Date(1e12 + seconds * 1000)
const job = (sentAt: number, lostAfterSeconds: number | null = null) => ({
  jobId: 1,
  sentAt: at(sentAt),
  startedAt: null,
  lostAfterSeconds,
})

test.each([
  ['short work is lost after a minute', job(90), 100, 159, false],
  ['short work is lost after a minute', job(90), 100, 160, true],
  ['work of 10,000 s may wait 1,000 s', job(0), 10_000, 10_999, false],
  ['work of 10,000 s may wait 1,000 s', job(0), 10_000, 11_000, true],
  ['nothing waits longer than two hours', job(0), 1e6, 1e6 + 7200, true],
  ['a task may say otherwise', job(0, 5), 10_000, 10_005, true],
])('%s', (_, held, silentSince, now, lost) => {
  expect(decideRescue([held], at(silentSince), at(now)).lost.length === 1).toBe(lost)
})

test('the next look is when the first of the others is due', () => {
  expect(decideRescue([job(95, 30), job(95)], at(100), at(110)).nextLookAt).toEqual(at(130))
})
