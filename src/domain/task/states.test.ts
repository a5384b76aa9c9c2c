import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reachable, settle, stuck, triggersOf, waysOut } from '../../../test/support/machines.ts'
import { type TaskState, taskEnds, taskHasEnded, taskStates, taskTable } from './states.ts'

const commands = ['retried', 'cancelAsked']

test('every state can be reached but the one that a limit puts a task into, which the table does not say', () => {
  const unreached = taskStates.filter((s) => !reachable(taskTable, ['registered']).has(s))
  expect(unreached).toEqual(['throttled'])
})

test('every active state leads to an end, and can be cancelled', () => {
  expect(stuck(taskTable, taskEnds)).toEqual([])
  for (const state of taskStates.filter((s) => !taskHasEnded(s) && s !== 'aborting'))
    expect(taskTable[state].cancelAsked, state).toBe('aborting')
  expect(settle(taskTable, 'aborting', ['allEnded'])).toBe('aborted')
})

test('every state in which jobs may end leads on when the last of them has', () => {
  const before: TaskState[] = ['registered', 'defined', 'aborting']
  for (const state of taskStates.filter((s) => !taskHasEnded(s) && !before.includes(s)))
    for (const [trigger, to] of [
      ['allFinished', 'done'],
      ['someFinished', 'finished'],
      ['noneFinished', 'failed'],
    ] as const)
      expect(taskTable[state][trigger], `${state} ${trigger}`).toBe(to)
})

test('a task at rest leaves by a command only, and one that is done or broken never', () => {
  expect(commands).toEqual(expect.arrayContaining(waysOut(taskTable, taskEnds)))
  expect(waysOut(taskTable, ['done', 'broken'])).toEqual([])
})

test('whatever happens in whatever order, a task that is done stays so', () => {
  const triggers = fc.array(fc.constantFrom(...triggersOf(taskTable)))
  fc.assert(
    fc.property(fc.constantFrom(...taskStates), triggers, triggers, (from, before, since) => {
      const state = settle(taskTable, from, [...before, 'allFinished'])
      if (state === 'done') expect(settle(taskTable, state, since)).toBe('done')
    }),
  )
})

test('what is paused returns to where it came from, unless it ended first', () => {
  expect(settle(taskTable, 'running', ['pauseAsked', 'resumed', 'started'])).toBe('running')
  expect(settle(taskTable, 'pending', ['pauseAsked', 'resumed', 'mustWait'])).toBe('pending')
  expect(settle(taskTable, 'running', ['allFinished', 'pauseAsked'])).toBe('done')
  expect(settle(taskTable, 'running', ['pauseAsked', 'allFinished', 'resumed'])).toBe('done')
})

test('both orders of a cancel and the last end lead to an end', () => {
  for (const end of ['allFinished', 'someFinished', 'noneFinished'] as const) {
    expect(taskHasEnded(settle(taskTable, 'running', [end, 'cancelAsked']) as TaskState)).toBe(true)
    expect(settle(taskTable, 'running', ['cancelAsked', end, 'allEnded'])).toBe('aborted')
  }
})
