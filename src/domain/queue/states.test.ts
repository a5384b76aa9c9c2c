import { expect, test } from 'vitest'
import { reachable, settle, stuck } from '../../../test/support/machines.ts'
import { pilotStates, pilotTable } from './states.ts'

test('every state can be reached, and a pilot that is never heard again is gone in the end', () => {
  expect([...reachable(pilotTable, ['online'])].sort()).toEqual([...pilotStates].sort())
  expect(stuck(pilotTable, ['gone'])).toEqual([])
  for (const state of pilotStates) expect(settle(pilotTable, state, ['fellSilent', 'gaveUpOn'])).toBe('gone')
})

test('wherever it was, a pilot that is heard is online', () => {
  for (const state of pilotStates) expect(settle(pilotTable, state, ['heard'])).toBe('online')
})
