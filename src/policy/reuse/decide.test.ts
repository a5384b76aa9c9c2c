import { expect, test } from 'vitest'
import type { Payload } from '../../contract/tasks.ts'
import { sha256 } from '../../lib/digest.ts'
import { keyOf, partsOf, whyNotReused, workOf } from './decide.ts'

const square: Payload = { kind: 'function', bundle: 'b1', module: 'm', export: 'square', language: 'python' }
const one = { text: '{"a":[1]}' }
const keys = (payload: Payload, args = one, common: { text: string } | null = null) =>
  partsOf(payload, common, [args]).map(keyOf)[0]

test.each([
  ['other sources', { ...square, bundle: 'b2' }, one, null],
  ['another function of them', { ...square, export: 'cube' }, one, null],
  ['another interpreter', { ...square, interpreter: '/usr/bin/python3.9' }, one, null],
  ['other packages', { ...square, environment: { requirements: 'numpy==2.1.0' } }, one, null],
  ['other arguments', square, { text: '{"a":[2]}' }, null],
  ['other common arguments', square, one, { text: '{"k":{"scale":2}}' }],
] as const)('%s: another result', (_, payload, args, common) => {
  expect(keys(payload, args, common)).not.toBe(keys(square))
})

test('an environment is the same in whatever order it is written', () => {
  const [one, other] = [
    { image: 'a', initEnv: 'b' },
    { initEnv: 'b', image: 'a' },
  ].map((environment) => keys({ kind: 'command', command: ['x'], environment }))
  expect(one).toBe(other)
  expect(one).not.toBe(keys({ kind: 'command', command: ['x'] }))
})

test('a value is the same wherever it lies', () => {
  expect(partsOf(square, null, [{ blob: sha256(one.text), bytes: 9 }]).map(keyOf)).toEqual([keys(square)])
})

test('works are told apart by their address, commands by their program', () => {
  expect(workOf(square)).toBe('python:m#square')
  expect(workOf({ kind: 'command', command: ['sort', '-n'] })).toBe('command:sort')
})

test('it is said what the nearest earlier job had otherwise', () => {
  const own = { code: 'c', args: 'a', environment: 'e' }
  const earlier = [
    { jobId: 'j1', code: 'x', args: 'y', environment: 'e' },
    { jobId: 'j2', code: 'c', args: 'y', environment: 'e' },
  ]
  expect(whyNotReused(own, earlier)).toBe('not reused: other arguments than j2')
  expect(whyNotReused(own, earlier.slice(0, 1))).toBe('not reused: other code and arguments than j1')
  expect(whyNotReused(own, [])).toBe('not reused: this work has no earlier result')
  expect(whyNotReused(own, [{ jobId: 'j3', ...own }])).toBe('not reused: j3 asked for the same and had no result then')
})
