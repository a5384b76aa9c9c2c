import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reachable, settle, stuck, triggersOf, waysOut } from '../../../test/support/machines.ts'
import { workflowEnds, workflowHasEnded, workflowStates, workflowTable } from './states.ts'

test('every state can be reached, and every active one leads to an end and can be cancelled', () => {
  expect([...reachable(workflowTable, ['registered'])].sort()).toEqual([...workflowStates].sort())
  expect(stuck(workflowTable, workflowEnds)).toEqual([])
  for (const state of workflowStates.filter((s) => !workflowHasEnded(s)))
    expect(workflowTable[state].cancelAsked, state).toBe('cancelled')
})

test('a workflow at rest leaves by a command only, and one that is done or out of time never', () => {
  expect(waysOut(workflowTable, workflowEnds)).toEqual(['retried'])
  expect(waysOut(workflowTable, ['done', 'expired'])).toEqual([])
})

test('whatever happens in whatever order, a value that was registered stays', () => {
  const triggers = fc.array(fc.constantFrom(...triggersOf(workflowTable)))
  fc.assert(
    fc.property(fc.constantFrom(...workflowStates), triggers, triggers, (from, before, since) => {
      const state = settle(workflowTable, from, [...before, 'succeeded'])
      if (state === 'done') expect(settle(workflowTable, state, since)).toBe('done')
    }),
  )
})

test('a driver that ends, whether it was thought lost or not, ends its workflow', () => {
  for (const [trigger, end] of [
    ['succeeded', 'done'],
    ['failed', 'failed'],
  ] as const) {
    expect(settle(workflowTable, 'running', ['driverLost', trigger])).toBe(end)
    expect(settle(workflowTable, 'running', [trigger, 'driverLost'])).toBe(end)
    expect(settle(workflowTable, 'running', ['cancelAsked', trigger])).toBe('cancelled')
  }
  expect(settle(workflowTable, 'running', ['driverLost', 'driverBack'])).toBe('running')
})
