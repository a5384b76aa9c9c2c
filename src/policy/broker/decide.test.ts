import { expect, test } from 'vitest'
import { decideQueues, type QueueFacts } from './decide.ts'

const queue = (id: number, name: string, rest: Partial<QueueFacts> = {}): QueueFacts => ({
  id,
  name,
  site: 'here',
  state: 'online',
  maxSlots: null,
  ...rest,
})
const queues = [
  queue(1, 'near'),
  queue(2, 'far', { maxSlots: 8 }),
  queue(3, 'closed', { state: 'offline' }),
  queue(4, 'trial', { state: 'test' }),
]

test('a task that names no queue may go to any online one that could hold it', () => {
  expect(decideQueues(queues, { queue: null, site: null, cores: 1 })).toMatchObject({ queueIds: [1, 2] })
  expect(decideQueues(queues, { queue: null, site: null, cores: 16 })).toMatchObject({ queueIds: [1] })
})

test('every queue that is not chosen says why', () => {
  expect(decideQueues(queues, { queue: null, site: null, cores: 16 }).rejected).toEqual([
    { queue: 'far', why: 'needs 16 cores, its largest pilot has 8' },
    { queue: 'closed', why: 'it is offline' },
    { queue: 'trial', why: 'it is test' },
  ])
})

test('a queue under test takes what names it; an unknown one is told apart from a closed one', () => {
  expect(decideQueues(queues, { queue: 'trial', site: null, cores: 1 })).toMatchObject({ queueIds: [4] })
  expect(decideQueues(queues, { queue: 'nowhere', site: null, cores: 1 })).toMatchObject({
    kind: 'none',
    unknown: 'queue',
  })
  expect(decideQueues(queues, { queue: 'closed', site: null, cores: 1 })).toMatchObject({ kind: 'none', unknown: null })
})

test('a site is any queue of it, and a queue that is named must be at the site that is', () => {
  const sites = [queue(1, 'near'), queue(2, 'far', { site: 'there' }), queue(3, 'farther', { site: 'there' })]
  expect(decideQueues(sites, { queue: null, site: 'there', cores: 1 })).toMatchObject({ queueIds: [2, 3] })
  expect(decideQueues(sites, { queue: 'near', site: 'there', cores: 1 })).toMatchObject({
    ...{ kind: 'none', unknown: null },
    rejected: expect.arrayContaining([{ queue: 'near', why: 'it is at here, the task names there' }]),
  })
  expect(decideQueues(sites, { queue: null, site: 'nowhere', cores: 1 })).toMatchObject({ unknown: 'site' })
})
