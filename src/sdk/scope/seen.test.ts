import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSeen, seenText, type Told } from './seen.ts'
import { ToldLog } from './toldLog.ts'

const task = fc.nat(99).map((n) => `t${n}`)
const source = fc.oneof(
  task,
  fc.string().map((key) => `=${key}`),
  fc.nat(99).map((n) => `w${n}`),
)
const index = fc.nat(1000)
const told: fc.Arbitrary<Told> = fc.oneof(
  fc.record({ source, what: fc.constant('all' as const) }),
  fc.record({ source: task, what: fc.constant('one' as const), index }),
  fc.record({ source: task, what: fc.constant('failure' as const), index }),
  fc.record({ source, what: fc.constant('error' as const), code: fc.string(), message: fc.string() }),
)

test('what was told is read as it was written', () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(told), (from, tolds) => {
      expect(readSeen(seenText(from, tolds))).toEqual({ from, tolds })
    }),
  )
})

test('outcomes that are handed out one after the other are one list', () => {
  const handed = (source: string, index: number): Told => ({ source, what: 'one', index })
  expect(seenText(2, [handed('t1', 4), handed('t1', 0), handed('t2', 1)])).toBe('[2,["t1",4,0],["t2",1]]')
})

const say = (n: number): Told => ({ source: `t${n}`, what: 'all' })

test('a write repeats what is not known to be stored, and no more', async () => {
  const log = new ToldLog()
  log.push(say(1))
  expect(await log.begin(1)).toBe('[0,"t1"]')
  log.push(say(2))
  expect(await log.begin(2)).toBe('[0,"t1","t2"]')
  log.end(1, true)
  expect(await log.begin(2)).toBe('[1,"t2"]')
  log.end(2, false)
  expect(await log.begin(2)).toBe('[1,"t2"]')
  log.end(2, true)
  expect(await log.begin(2)).toBe('[2]')
  expect(await log.begin(1)).toBe('[1]')
})

test('a write that would repeat too much waits for one that is under way', async () => {
  const log = new ToldLog()
  const first = await log.begin(0)
  expect(first).toBe('[0]')
  for (let n = 0; n < 300; n++) log.push(say(n))
  let second: string | undefined
  const waiting = log.begin(300).then((seen) => {
    second = seen
  })
  await new Promise(setImmediate)
  expect(second).toBeUndefined()
  log.end(0, true)
  await waiting
  expect(JSON.parse(second!)).toHaveLength(301)
})
