import { expect, test } from 'vitest'
import { endsOf, statesLeftBy, step, type Table, targetOf } from './machine.ts'

const door: Table<'open' | 'shut' | 'gone', 'push' | 'burn'> = {
  open: { push: 'shut', burn: 'gone' },
  shut: { push: 'open', burn: 'gone' },
  gone: {},
}

test('a known trigger moves, an unknown one is stale', () => {
  expect(step(door, 'open', 'push')).toEqual({ kind: 'moved', from: 'open', to: 'shut' })
  expect(step(door, 'gone', 'push')).toEqual({ kind: 'stale', state: 'gone' })
})

test('a bulk move knows where it may start and where it leads', () => {
  expect(statesLeftBy(door, 'burn')).toEqual(['open', 'shut'])
  expect(targetOf(door, 'burn')).toBe('gone')
  expect(() => targetOf(door, 'push')).toThrow('2 states')
  expect(endsOf(door)).toEqual(['gone'])
})
