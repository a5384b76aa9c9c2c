import { expect, test } from 'vitest'
import { decideRescue, type HeldJob, type SilentPilot } from './decide.ts'

const at = (seconds: number) => new Date(1e12 + seconds * 1000)
const job = (sentAt: number, more: Partial<HeldJob> = {}): HeldJob => ({
  jobId: 1,
  sentAt: at(sentAt),
  startedAt: null,
  lostAfterSeconds: null,
  ...more,
})
const silent = (since: number, jobs: HeldJob[], more: Partial<SilentPilot> = {}): SilentPilot => ({
  jobs,
  silentSince: at(since),
  lostAfterSeconds: null,
  serverAwaySince: null,
  ...more,
})
const queue = (lostAfterSeconds: number) => ({ lostAfterSeconds })

test.each([
  ['short work waits a minute', silent(100, [job(90)]), 160],
  ['work of 10,000 s waits 1,000 s', silent(10_000, [job(0)]), 11_000],
  ['nothing waits longer than two hours', silent(1e6, [job(0)]), 1e6 + 7200],
  ['its queue may say otherwise', silent(10_000, [job(0)], queue(100)), 10_100],
  ['its task has the last word', silent(10_000, [job(0, { lostAfterSeconds: 5 })], queue(100)), 10_005],
  ['the time that counts begins when it started', silent(10_000, [job(0, { startedAt: at(5000) })]), 10_500],
  ['but not before it was sent, whatever its clock says', silent(10_000, [job(9000, { startedAt: at(0) })]), 10_100],
  ['nor by a clock that is ahead', silent(10_000, [job(0, { startedAt: at(99_999) })]), 10_060],
  ['while its own server is away it has ten minutes', silent(100, [job(90)], { serverAwaySince: at(105) }), 705],
  ['and no less than it had before', silent(1e6, [job(0)], { serverAwaySince: at(1e6) }), 1e6 + 7200],
])('%s', (_, pilot, lostAt) => {
  expect(decideRescue(pilot, at(lostAt - 0.001))).toEqual({ lost: [], nextLookAt: at(lostAt) })
  expect(decideRescue(pilot, at(lostAt))).toEqual({ lost: [1], nextLookAt: null })
})

test('the next look is when the first of the others is due', () => {
  const jobs = [job(95, { lostAfterSeconds: 30 }), job(95)]
  expect(decideRescue(silent(100, jobs), at(110)).nextLookAt).toEqual(at(130))
  expect(decideRescue(silent(100, jobs), at(130))).toEqual({ lost: [1], nextLookAt: at(160) })
})
