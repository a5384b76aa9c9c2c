import { expect, test } from 'vitest'
import { makeKeys } from './keys.ts'

test('equal uses are told apart by their ordinal, and other uses do not change it', () => {
  const keyOf = makeKeys()
  const [first, , other, second] = [
    keyOf('m', 'f', ['1']),
    keyOf('m', 'f', ['2']),
    keyOf('m', 'g', ['1']),
    keyOf('m', 'f', ['1']),
  ]
  expect(first).toMatch(/^m#f:[0-9a-f]{32}:0$/)
  expect(second).toBe(first!.replace(/0$/, '1'))
  expect(other).toMatch(/^m#g:.*:0$/)
})

test('a program that runs again makes the same keys, in whatever order its branches run', () => {
  const uses = [
    ['a', '1'],
    ['b', '1'],
    ['a', '1'],
    ['a', '2'],
  ] as const
  const keys = (order: readonly (readonly [string, string])[]) => {
    const keyOf = makeKeys()
    return order.map(([name, text]) => keyOf('m', name, [text])).sort()
  }
  expect(keys(uses)).toEqual(keys(uses.toReversed()))
})

test('a list of arguments is not taken for another one with the same letters', () => {
  const keyOf = makeKeys()
  expect(keyOf('m', 'f', ['1', '2'])).not.toBe(keyOf('m', 'f', ['12']))
})

test('a key of a very long name still fits, and stays its own', () => {
  const keyOf = makeKeys()
  const [a, b] = [keyOf(`${'x'.repeat(500)}1`, 'f', []), keyOf(`${'x'.repeat(500)}2`, 'f', [])]
  expect(a!.length).toBeLessThanOrEqual(200)
  expect(a).not.toBe(b)
})
