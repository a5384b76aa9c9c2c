import { expect, test } from 'vitest'
import { actionsFor, actionsForAll, type Subject, touchedLines } from './actions.ts'

test.each<[Subject, string[]]>([
  [{ noun: 'workflow', state: 'running', held: false }, ['pause', 'priority', 'finish', 'cancel']],
  [{ noun: 'workflow', state: 'paused', held: true }, ['resume', 'priority', 'finish', 'cancel']],
  [{ noun: 'workflow', state: 'paused', held: false }, ['pause', 'priority', 'finish', 'cancel']],
  [{ noun: 'task', state: 'paused' }, ['resume', 'priority', 'finish', 'cancel']],
  [{ noun: 'task', state: 'finishing' }, ['cancel']],
  [{ noun: 'task', state: 'aborting' }, []],
  [{ noun: 'task', state: 'failed' }, ['retry']],
  [{ noun: 'task', state: 'done' }, []],
  [{ noun: 'job', state: 'running' }, ['cancel']],
  [{ noun: 'job', state: 'failed' }, ['retry']],
])('%o: %o', (subject, actions) => {
  expect(actionsFor(subject)).toEqual(actions)
})

test('of several what makes sense for any of them, and nothing for jobs that finished well', () => {
  expect(actionsForAll([{ noun: 'job', state: 'finished' }])).toEqual([])
  expect(
    actionsForAll([
      { noun: 'task', state: 'done' },
      { noun: 'task', state: 'failed' },
      { noun: 'task', state: 'running' },
    ]),
  ).toEqual(['pause', 'priority', 'finish', 'retry', 'cancel'])
})

test('a preview says in words what stops and what does not run', () => {
  expect(touchedLines('cancel', { tasks: 1, jobs: { total: 1212 }, stops: 12 })).toEqual([
    'stops 12 running jobs',
    '1,200 jobs that wait will not run',
  ])
  expect(touchedLines('pause', { tasks: 1, jobs: { total: 1 }, stops: 0 })).toEqual(['1 job that waits: held'])
})
