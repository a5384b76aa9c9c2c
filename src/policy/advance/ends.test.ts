import { expect, test } from 'vitest'
import { jobStates } from '../../domain/job/states.ts'
import { type TaskCounts, taskTriggerOf, workflowTriggerOf } from './ends.ts'

const task = (rest: Partial<TaskCounts>): TaskCounts =>
  ({
    ...Object.fromEntries(jobStates.map((s) => [s, 0])),
    state: 'running',
    isClosed: true,
    jobs: 3,
    ...rest,
  }) as TaskCounts

test.each([
  ['all finished', { finished: 3 }, 'allFinished'],
  ['some finished', { finished: 2, failed: 1 }, 'someFinished'],
  ['none finished', { failed: 2, cancelled: 1 }, 'noneFinished'],
  ['one is left', { finished: 2, running: 1 }, null],
  ['more may come', { finished: 3, isClosed: false }, null],
  ['nothing was asked for', { jobs: 0 }, 'allFinished'],
  ['the first was sent', { state: 'ready', sent: 1, activated: 2 }, 'started'],
  ['none was sent', { state: 'ready', activated: 3 }, null],
  ['being cancelled, one still runs', { state: 'aborting', cancelled: 2, running: 1 }, null],
  ['being cancelled, all ended, one in time', { state: 'aborting', cancelled: 2, finished: 1 }, 'allEnded'],
  ['has ended', { state: 'done', finished: 3 }, null],
] as const)('%s', (_, counts, trigger) => {
  expect(taskTriggerOf(task(counts))).toBe(trigger)
})

test('a workflow without a driver ends with its last task, once it is closed', () => {
  const counts = { closed: true, tasksTotal: 2, tasksLeft: 0, tasksFailed: 0, finishedJobs: 2 }
  expect(workflowTriggerOf(counts)).toBe('succeeded')
  expect(workflowTriggerOf({ ...counts, closed: false })).toBe(null)
  expect(workflowTriggerOf({ ...counts, tasksLeft: 1 })).toBe(null)
  expect(workflowTriggerOf({ ...counts, tasksFailed: 1 })).toBe('partly')
  expect(workflowTriggerOf({ ...counts, tasksFailed: 2, finishedJobs: 0 })).toBe('failed')
})
