import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reachable, settle, stuck, triggersOf, waysOut } from '../../../test/support/machines.ts'
import { hasEnded, type JobState, type JobTrigger, jobEnds, jobStates, jobTable } from './states.ts'

/** What a pilot may say of a job that it holds. */
const heldStates = ['sent', 'starting', 'running', 'awaiting'] as const satisfies JobState[]
const commands = ['retried', 'retriedAhead']

test('every state can be reached, and every active one leads to an end', () => {
  expect([...reachable(jobTable, ['pending', 'activated'])].sort()).toEqual([...jobStates].sort())
  expect(stuck(jobTable, jobEnds)).toEqual([])
})

test('a job at rest leaves by a command only; what finished or was replaced never leaves', () => {
  expect(waysOut(jobTable, ['failed', 'cancelled']).sort()).toEqual(commands)
  expect(waysOut(jobTable, ['finished', 'closed'])).toEqual([])
})

test('a job can be cancelled wherever it is, at once or by the word of its pilot', () => {
  for (const state of jobStates.filter((s) => !hasEnded(s)))
    expect(jobTable[state].cancelAsked ?? jobTable[state].cancelConfirmed, state).toBe('cancelled')
})

test('whatever happens in whatever order, a result that was registered stays', () => {
  const trigger = fc.constantFrom(...triggersOf(jobTable))
  fc.assert(
    fc.property(fc.constantFrom(...jobStates), fc.array(trigger), fc.array(trigger), (from, before, since) => {
      const state = settle(jobTable, from, [...before, 'succeeded'])
      if (state === 'finished') expect(settle(jobTable, state, since)).toBe('finished')
    }),
  )
})

test('whatever happens, a job ends by what ends jobs and goes on by what a pilot, a parent or a person does', () => {
  const trigger = fc.constantFrom(...triggersOf(jobTable))
  fc.assert(
    fc.property(fc.constantFrom('pending', 'activated'), fc.array(trigger, { maxLength: 40 }), (from, triggers) => {
      let state: string = from
      for (const trigger of triggers) {
        const next = settle(jobTable, state, [trigger])
        if (hasEnded(state as JobState) && next !== state) expect(commands).toContain(trigger)
        // Only a claim, and what gives a slot back, puts a job into a pilot's hands.
        if (!heldStates.includes(state as never) && heldStates.includes(next as never))
          expect(['claimed', 'resumed', 'recovered']).toContain(trigger)
        state = next
      }
      expect(stuck(jobTable, jobEnds)).not.toContain(state)
    }),
  )
})

/** Two things that may happen to a held job at the same moment, and where each order leads. */
describe.each<[JobTrigger, JobTrigger, JobState, JobState]>([
  ['succeeded', 'cancelConfirmed', 'finished', 'cancelled'],
  ['succeeded', 'gaveUp', 'finished', 'failed'],
  ['succeeded', 'succeeded', 'finished', 'finished'],
  ['cancelConfirmed', 'gaveUp', 'cancelled', 'failed'],
  ['cancelConfirmed', 'returned', 'cancelled', 'cancelled'],
  // Lost or given back, it may still turn out to have succeeded, until another attempt begins.
  ['succeeded', 'lost', 'finished', 'finished'],
  ['succeeded', 'willRetry', 'finished', 'finished'],
  ['gaveUp', 'lost', 'failed', 'failed'],
])('%s and %s', (one, other, oneFirst, otherFirst) => {
  test.each(heldStates)('of a job that is %s lead to an end in both orders', (state) => {
    expect(settle(jobTable, state, [one, other])).toBe(oneFirst)
    expect(settle(jobTable, state, [other, one])).toBe(otherFirst)
  })
})

test.each<[JobState, JobTrigger, JobTrigger, JobState]>([
  // Whoever is released and cancelled at the same moment is cancelled.
  ['pending', 'parentsReleased', 'cancelAsked', 'cancelled'],
  ['pending', 'parentFailed', 'cancelAsked', 'cancelled'],
  ['pending', 'parentsReleased', 'parentFailed', 'activated'],
  // Claimed first, the cancel is asked of its pilot; cancelled first, the claim finds nothing.
  ['activated', 'claimed', 'cancelAsked', 'sent'],
  ['activated', 'cancelAsked', 'claimed', 'cancelled'],
  // Lost first, it is its own again when it is heard; claimed by another first, it is not.
  ['activated', 'recovered', 'claimed', 'running'],
  ['activated', 'claimed', 'recovered', 'sent'],
  ['activated', 'cancelAsked', 'recovered', 'cancelled'],
  // It wakes while it is lost.
  ['awaiting', 'woken', 'lost', 'activated'],
  ['awaiting', 'lost', 'woken', 'activated'],
])('%s: %s, then %s: %s', (from, first, second, to) => {
  expect(settle(jobTable, from, [first, second])).toBe(to)
})
