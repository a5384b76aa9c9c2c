import { expect, test } from 'vitest'
import { cellText, cellWords, pathsIn, plainOf } from './paths.ts'

const args = (plain: unknown) => plainOf({ text: JSON.stringify(plain) }, 'arguments')
const value = (plain: unknown) => plainOf({ text: JSON.stringify(plain) }, 'value')

test('arguments become columns by their names, positional ones by their places', () => {
  expect(args({ a: [3] })).toEqual({ argument: 3 })
  expect(args({ a: [3, 'x'], k: { lr: 0.1 } })).toEqual({ 'argument.0': 3, 'argument.1': 'x', lr: 0.1 })
  expect(args({ a: [{ x: 1, at: { y: 2, z: { deep: 1 } } }] })).toEqual({ x: 1, 'at.y': 2, 'at.z': { deep: 1 } })
  expect(args({})).toEqual({})
  expect(args({ k: { options: { depth: 3 } } })).toEqual({ 'options.depth': 3 })
})

test('a result is one column, or one for each member; what JSON lacks stays together', () => {
  expect(value(1.5)).toEqual({ value: 1.5 })
  expect(value({ loss: 0.1, fit: { a: 1 } })).toEqual({ loss: 0.1, 'fit.a': 1 })
  expect(value([1, 2])).toEqual({ value: [1, 2] })
  expect(value({ $culm: 'bytes', v: 'AA==' })).toEqual({ value: { $culm: 'bytes', v: 'AA==' } })
  expect(plainOf({ text: 'no JSON' }, 'value')).toEqual({ value: 'no JSON' })
  expect(plainOf({ blob: 'a', bytes: 9 }, 'value')).toEqual({})
})

test('columns are those of all jobs, and a cell is a line of text', () => {
  expect(pathsIn([{ a: 1 }, { b: 1, a: 2 }])).toEqual(['a', 'b'])
  expect([cellText(undefined), cellText('x'), cellText(null), cellText([1])]).toEqual(['', 'x', 'null', '[1]'])
  expect([cellWords(0.060000000000000005), cellWords(12_345_678_901), cellWords('1.23456')]).toEqual([
    '0.06',
    '12345678901',
    '1.23456',
  ])
  expect(cellText({ $culm: 'tuple', v: [1, 2] })).toBe('(1, 2)')
})
