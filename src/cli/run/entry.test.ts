import { expect, test } from 'vitest'
import { workflow } from '../../sdk/index.ts'
import { UsageError } from '../errors.ts'
import { entryOf, submitOf } from './entry.ts'

const [a, b] = [workflow(async () => 1), workflow(async () => 2)]
const plain = () => 3

const nameOf = (exports: Record<string, unknown>, wanted?: string) => entryOf(exports, wanted, 'x.ts').name

test('the function to run is the one that is named, else the only workflow, else default or main', () => {
  expect(nameOf({ a, plain })).toBe('a')
  expect(nameOf({ a, b, plain }, 'plain')).toBe('plain')
  expect(nameOf({ a, main: b })).toBe('main')
  expect(nameOf({ main: a, default: b })).toBe('default')
  expect(nameOf({ default: a, same: a })).toBe('default')
  expect(nameOf({ main: plain, other: () => 4 })).toBe('main')
})

test('when it cannot be told, there is a choice', () => {
  const helpOf = (exports: Record<string, unknown>, wanted?: string) => {
    try {
      entryOf(exports, wanted, 'x.ts')
    } catch (error) {
      if (error instanceof UsageError) return [error.message, error.help]
    }
    return []
  }
  expect(helpOf({ a, b, plain })).toEqual(['x.ts exports 2 workflows', 'name one: --export a, b'])
  expect(helpOf({ plain })).toEqual(['x.ts exports no workflow', 'name one: --export plain'])
  expect(helpOf({ n: 1 })[1]).toContain('export const main = workflow(')
  expect(helpOf({ a }, 'c')).toEqual(['x.ts exports no function "c"', 'name one: --export a'])
})

test('only a workflow runs as a job', () => {
  expect(submitOf(entryOf({ a }, undefined, 'x.ts'))).toBe(a.submit)
  expect(() => submitOf(entryOf({ plain }, 'plain', 'x.ts'))).toThrow('plain is no workflow, which --remote is for')
})
