import { expect, test } from 'vitest'
import type { AttemptCause } from '../../domain/job/causes.ts'
import { decideRetry, type Failure } from './decide.ts'

const limits = { user: 1, site: 3, lost: 5 }

test.each([
  ['user', { user: 1 }, 'giveUp'],
  ['memory', { memory: 1 }, 'giveUp'],
  ['site', { site: 1 }, 'retry'],
  ['storage', { site: 1, storage: 1 }, 'retry'],
  ['site', { site: 2, storage: 1 }, 'giveUp'],
  ['lost', { lost: 4 }, 'retry'],
  ['lost', { lost: 5 }, 'giveUp'],
  ['lost', { lost: 1, site: 2, user: 0 }, 'retry'],
  ['parent', {}, 'giveUp'],
] as const)('after %s with %o: %s', (cause, soFar, kind) => {
  expect(decideRetry({ cause, soFar, limits }).kind).toBe(kind)
})

test('a cause that is named has attempts of its own, and spends nobody else’s', () => {
  const decide = (cause: AttemptCause, soFar: Failure['soFar']) =>
    decideRetry({ cause, soFar, limits: { ...limits, user: 2, memory: 3 } }).kind
  expect(decide('memory', { memory: 2, user: 1 })).toBe('retry')
  expect(decide('memory', { memory: 3 })).toBe('giveUp')
  expect(decide('user', { user: 1, memory: 2 })).toBe('retry')
  expect(decide('walltime', { user: 1, walltime: 1 })).toBe('giveUp')
})

test('a loss is repeated at once, a broken place waits longer each time', () => {
  const wait = (soFar: object, cause: 'lost' | 'site') => {
    const decision = decideRetry({ cause, soFar, limits: { user: 1, site: 9, lost: 9 } })
    return decision.kind === 'retry' ? decision.waitSeconds : undefined
  }
  expect(wait({ lost: 3 }, 'lost')).toBe(0)
  expect([1, 2, 3, 4, 5, 6].map((site) => wait({ site }, 'site'))).toEqual([1, 4, 16, 64, 256, 300])
})
