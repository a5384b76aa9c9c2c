import { expect, test } from 'vitest'
import { explainJob } from './decide.ts'
import type { JobFacts } from './facts.ts'

const now = new Date(1e12)
const queue = {
  name: 'local',
  state: 'online',
  pilots: 1,
  slots: 2,
  largestSlots: 2,
  gpus: 0,
  largestGpus: 0,
  largestMemoryMb: 4000,
  running: 2,
  waitingBefore: 7,
}
const pilot = { id: 'p1', state: 'online', host: 'here', seenAt: now }
const callback = { since: new Date(1e12 - 60_000), until: new Date(1e12 + 3_600_000) }
const job = (rest: Partial<JobFacts>): JobFacts => ({
  id: 'j1',
  state: 'activated',
  attempt: 1,
  unmet: 0,
  taskId: 't1',
  heldBy: null,
  cancelAsked: false,
  cause: null,
  error: null,
  exitCode: null,
  signal: null,
  maxRssMb: null,
  wallSeconds: null,
  cores: 1,
  memoryMb: null,
  gpus: 0,
  wallSecondsLimit: null,
  waitsFor: [],
  retryAt: null,
  retryWhy: null,
  callback: null,
  pilot: null,
  earlierCauses: [],
  queues: [queue],
  reusedFrom: null,
  notReused: null,
  ...rest,
})

test.each([
  ['no_pilot', { queues: [{ ...queue, pilots: 0 }] }],
  ['slots_busy', {}],
  ['does_not_fit', { cores: 8 }],
  ['slots_busy', { memoryMb: 4000 }],
  ['does_not_fit', { memoryMb: 4001 }],
  ['slots_busy', { memoryMb: 4001, queues: [queue, { ...queue, largestMemoryMb: null }] }],
  ['no_gpus', { gpus: 1 }],
  ['slots_busy', { gpus: 1, queues: [{ ...queue, gpus: 3, largestGpus: 1 }] }],
  ['queue_offline', { queues: [{ ...queue, state: 'offline' }] }],
  ['waits_for_inputs', { state: 'pending', unmet: 2 }],
  ['back_off', { heldBy: 'timer', retryAt: new Date(1e12 + 4000), earlierCauses: ['site'] }],
  ['waits_for_callback', { state: 'holding', callback, pilot: { ...pilot, state: 'gone' } }],
  ['callback_timeout', { state: 'failed', cause: 'user', error: { type: 'CallbackTimeout', message: 'no' } }],
  ['running', { state: 'running', pilot }],
  ['pilot_silent', { state: 'running', pilot: { ...pilot, state: 'suspect' } }],
  ['cancel_asked', { state: 'running', pilot, cancelAsked: true }],
  ['over_memory', { state: 'failed', cause: 'memory', memoryMb: 100, maxRssMb: 180.5 }],
  ['over_walltime', { state: 'failed', cause: 'walltime', wallSecondsLimit: 5 }],
  ['lost', { state: 'failed', cause: 'lost' }],
  ['user_error', { state: 'failed', cause: 'user', error: { type: 'ValueError', message: 'no' } }],
  ['parent_failed', { state: 'cancelled', cause: 'parent' }],
  ['finished', { state: 'finished' }],
  ['reused', { state: 'finished', reusedFrom: 'j5' }],
] as const)('%s', (cause, facts) => {
  expect(explainJob(job(facts as unknown as Partial<JobFacts>), now).cause).toBe(cause)
})

test('who waits is told for what, also when that has ended and he is not let go yet', () => {
  const sentenceOf = (facts: Partial<JobFacts>) =>
    explainJob(job({ state: 'pending', unmet: 1, ...facts }), now).sentence
  expect(sentenceOf({ waitsFor: [{ id: 't1', state: 'running' }] })).toBe('it waits for 1 other to finish')
  expect(sentenceOf({ waitsFor: [] })).toBe(
    'what it waited for has ended: its turn comes (those that waited go a thousand at a time)',
  )
})

test('of a callback it says how long it is waited for, since when, and by which attempt', () => {
  const { sentence, evidence } = explainJob(
    job({ state: 'holding', attempt: 2, callback, earlierCauses: ['user'] }),
    now,
  )
  expect(sentence).toContain('until 2001-09-09T02:46:40.000Z (for 3600 s more)')
  expect(evidence).toEqual(['attempt 2 waits since 2001-09-09T01:45:40.000Z', 'attempt 2; earlier ones: user'])
})

test('what it says of a failure is what a person would look for', () => {
  const { evidence, remedy } = explainJob(
    job({ state: 'failed', cause: 'memory', memoryMb: 100, maxRssMb: 180.5, signal: 'SIGKILL' }),
    now,
  )
  expect(evidence).toEqual(['signal SIGKILL', 'peak memory 181 MB'])
  expect(remedy).toBe(
    'ask for more memory (its peak was 181 MB), or for attempts by `memory`, of which each has twice as much',
  )
})
