import { expect, test } from 'vitest'
import { type LostJob, whoRunsAgain } from './round.ts'

const lost = (id: number, ...parents: [id: number, isLost: boolean][]): LostJob => ({
  id,
  waitsForTasks: false,
  parents: parents.map(([parent, isLost]) => ({ id: parent, isLost })),
})

test('who waits for nothing runs, and who waits for what comes back waits for that', () => {
  expect(whoRunsAgain([lost(3, [2, true]), lost(2, [1, true]), lost(1)])).toEqual([
    { id: 1, unmet: 0 },
    { id: 2, unmet: 1 },
    { id: 3, unmet: 1 },
  ])
})

test('who waits for what has ended badly, and does not come back, stays with all that waits for him', () => {
  expect(whoRunsAgain([lost(1), lost(3, [1, true], [2, true]), lost(4, [3, true])])).toEqual([{ id: 1, unmet: 0 }])
})

test('who waits for something under way waits for it again, and once more for the tasks before his own', () => {
  const waiting = { ...lost(5, [4, false]), waitsForTasks: true }
  expect(whoRunsAgain([waiting, lost(6, [4, false])])).toEqual([
    { id: 5, unmet: 2 },
    { id: 6, unmet: 1 },
  ])
})
