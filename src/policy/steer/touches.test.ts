import { expect, test } from 'vitest'
import { touchedBy } from './touches.ts'

const counts = { pending: 3, activated: 40, running: 12, awaiting: 1, finished: 900, failed: 5, cancelled: 2 }

test('a cancel touches all that has not ended, and stops what runs', () => {
  expect(touchedBy('cancel', counts)).toEqual({
    jobs: { pending: 3, activated: 40, running: 12, awaiting: 1 },
    stops: 13,
  })
})

test.each(['pause', 'resume', 'priority', 'finish'] as const)('%s touches what waits, and stops nothing', (action) => {
  expect(touchedBy(action, counts)).toEqual({ jobs: { pending: 3, activated: 40 }, stops: 0 })
})

test('a retry touches what failed or was cancelled', () => {
  expect(touchedBy('retry', counts)).toEqual({ jobs: { failed: 5, cancelled: 2 }, stops: 0 })
})
