import { expect, test } from 'vitest'
import { newTask } from '../../contract/tasks.ts'
import { saysNothing, settingsOf, type TaskSaid } from './decide.ts'

const task = (said: Partial<TaskSaid> = {}): TaskSaid => ({ ...saysNothing, ...said })
const queue = (name: string, said: Partial<Parameters<typeof settingsOf>[1][number]> = {}) => ({
  ...{ name, lostAfterSeconds: null, environment: undefined },
  ...said,
})
const found = (name: string, ...of: Parameters<typeof settingsOf>) =>
  settingsOf(...of).flatMap((s) => (s.name === name ? [[s.value, s.from, ...(s.queue ? [s.queue] : [])]] : []))

test('the defaults are those of the contract', () => {
  const { cores, gpus, priority, attempts } = newTask.parse({
    ...{ workflowId: 'w1', name: 'x', payload: { kind: 'command', command: ['x'] }, jobs: [] },
  })
  expect(saysNothing).toMatchObject({ cores, gpus, priority, attempts })
})

test('what nobody said is a default, what was said is the work’s or the submission’s', () => {
  expect(found('cores', task(), [])).toEqual([[1, 'default']])
  expect(found('memoryMb', task(), [])).toEqual([[null, 'default']])
  expect(found('cores', task({ cores: 4 }), [])).toEqual([[4, 'work']])
  expect(found('cores', task({ cores: 4, isCommand: true }), [])).toEqual([[4, 'submission']])
})

test('attempts are told by cause: those that are the user’s only where they are named', () => {
  const attempts = { user: 1, memory: 3, site: 9, lost: 5 }
  const told = settingsOf(task({ attempts }), []).filter(({ name }) => name.startsWith('attempts.'))
  expect(told.map(({ name, value, from }) => [name, value, from])).toEqual([
    ['attempts.user', 1, 'default'],
    ['attempts.memory', 3, 'work'],
    ['attempts.site', 9, 'work'],
    ['attempts.lost', 5, 'default'],
  ])
})

test('a queue is the one that is named, or all that were chosen', () => {
  const queues = [queue('a'), queue('b')]
  expect(found('queue', task(), queues)).toEqual([['a, b', 'default']])
  expect(found('queue', task({ queue: 'a' }), [queues[0]!])).toEqual([['a', 'work']])
  expect(found('site', task({ site: 'far', isCommand: true }), queues)).toEqual([['far', 'submission']])
})

test('a queue may say how long its pilots may be silent, for those who do not say it themselves', () => {
  const queues = [queue('a', { lostAfterSeconds: 300 }), queue('b')]
  expect(found('lostAfterSeconds', task(), queues)).toEqual([
    [300, 'queue', 'a'],
    [null, 'default'],
  ])
  expect(found('lostAfterSeconds', task(), [queues[0]!])).toEqual([[300, 'queue', 'a']])
  expect(found('lostAfterSeconds', task({ lostAfterSeconds: 60 }), queues)).toEqual([[60, 'work']])
})

test('of where it runs each setting has its own origin', () => {
  const said = task({ environment: { image: 'x', initEnv: 'a' }, ofWorkflow: { image: 'x', initEnv: 'b' } })
  const queues = [queue('q', { environment: { cleanEnv: 'c', initEnv: 'd', requirements: 'e==1' } })]
  expect(found('image', said, queues)).toEqual([['x', 'workflow']])
  expect(found('initEnv', said, queues)).toEqual([['a', 'work']])
  expect(found('cleanEnv', said, queues)).toEqual([['c', 'queue', 'q']])
  expect(found('requirements', said, queues)).toEqual([['e==1', 'queue', 'q']])
  expect(found('postScript', said, queues)).toEqual([])
})

test('who says one kind of packages gets no other from a queue', () => {
  const queues = [queue('q', { environment: { requirements: 'e==1' } })]
  expect(found('requirements', task({ environment: { conda: '@EXPLICIT' } }), queues)).toEqual([])
  expect(found('requirements', task({ environment: { requirements: '' } }), queues)).toEqual([['', 'work']])
})
