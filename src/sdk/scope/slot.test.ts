import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { jobSlot } from './slot.ts'

/** A job's runtime that notes what it is told, and grants a slot when the test says so. */
const fakeRuntime = () => {
  const said: string[] = []
  let grant = () => {}
  const woken = () => {
    said.push('woken')
    return new Promise<void>((resolve) => {
      grant = resolve
    })
  }
  return { said, slot: jobSlot({ awaiting: () => void said.push('awaiting'), woken }), grant: () => grant() }
}

const makeCall = () => {
  let arrive = (_value: number) => {}
  const arrived = new Promise<number>((resolve) => {
    arrive = resolve
  })
  return { arrived, arrive }
}

test('a slot is given back once the code waits, and taken again before the value is delivered', async () => {
  const { said, slot, grant } = fakeRuntime()
  const call = makeCall()
  let delivered: number | undefined
  const waiting = slot.wait(call.arrived).then((value) => {
    delivered = value
  })
  expect(said).toEqual([])
  await turn()
  expect(said).toEqual(['awaiting'])
  call.arrive(7)
  await turn()
  expect(said).toEqual(['awaiting', 'woken'])
  expect(delivered).toBeUndefined()
  grant()
  await waiting
  expect(delivered).toBe(7)
})

test('what has come already costs nothing', async () => {
  const { said, slot } = fakeRuntime()
  expect(await slot.wait(Promise.resolve(1))).toBe(1)
  await turn()
  expect(said).toEqual([])
})

test('results that come while the slot is on its way are delivered with the first', async () => {
  const { said, slot, grant } = fakeRuntime()
  const [a, b, c] = [makeCall(), makeCall(), makeCall()]
  const all = Promise.all([a, b, c].map(({ arrived }) => slot.wait(arrived)))
  await turn()
  a.arrive(1)
  await turn()
  b.arrive(2)
  await turn()
  expect(said).toEqual(['awaiting', 'woken'])
  grant()
  await turn()
  await turn()
  // One is still out, so the slot goes back.
  expect(said).toEqual(['awaiting', 'woken', 'awaiting'])
  c.arrive(3)
  await turn()
  grant()
  expect(await all).toEqual([1, 2, 3])
  expect(said).toEqual(['awaiting', 'woken', 'awaiting', 'woken'])
})

test('a call that fails also waits for the slot', async () => {
  const { said, slot, grant } = fakeRuntime()
  let fail = (_: Error) => {}
  const arrived = new Promise<never>((_, reject) => {
    fail = reject
  })
  const waiting = expect(slot.wait(arrived)).rejects.toThrow('no')
  await turn()
  fail(new Error('no'))
  await turn()
  expect(said).toEqual(['awaiting', 'woken'])
  grant()
  await waiting
})
