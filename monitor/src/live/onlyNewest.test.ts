import { expect, test } from 'vitest'
import type { Task } from '../../../src/contract/tasks.ts'
import { onlyNewest } from './onlyNewest.ts'

const known = (n: number, ...marked: number[]) => ({
  byId: new Map(Array.from({ length: n }, (_, i) => [`t${i + 1}` as const, {} as Task])),
  marks: new Map(marked.map((i) => [`t${i}` as const, `before ${i}`])),
})

test('of too many tasks the oldest are forgotten, up to a place from which they can be read again', () => {
  const tasks = known(12, 2, 5, 9)
  expect(onlyNewest(tasks, 10)).toBe('before 5')
  expect([...tasks.byId.keys()]).toEqual(['t5', 't6', 't7', 't8', 't9', 't10', 't11', 't12'])
  expect([...tasks.marks.keys()]).toEqual(['t5', 't9'])
})

test('nothing is forgotten that could not be read again, or while there is room', () => {
  for (const tasks of [known(12, 2), known(10, 5)]) {
    const size = tasks.byId.size
    expect(onlyNewest(tasks, 10)).toBeUndefined()
    expect(tasks.byId.size).toBe(size)
  }
})
