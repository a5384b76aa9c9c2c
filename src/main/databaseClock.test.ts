import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { databaseClock } from './databaseClock.ts'

/** A machine whose clocks are wrong by an hour, and a database whose clock is right; all pass together unless someone sets one. */
const start = async () => {
  const machine = { wall: 3_600_000, steady: 50 }
  const database = { time: 0, asked: 0, away: false, answerTakes: 0 }
  const go = (ms: number) => {
    machine.wall += ms
    machine.steady += ms
    database.time += ms
  }
  const clock = await databaseClock(
    async () => {
      database.asked++
      if (database.away) throw new Error('away')
      const time = new Date(database.time)
      go(database.answerTakes)
      return time
    },
    { wallMs: () => machine.wall, steadyMs: () => machine.steady },
  )
  const pass = async (ms: number) => {
    go(ms)
    await vi.advanceTimersByTimeAsync(ms)
  }
  return { machine, database, pass, now: () => clock().getTime() }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const settled = () => vi.advanceTimersByTimeAsync(0)

test('it is the time of the database, however wrong the machine is', async () => {
  const { pass, now } = await start()
  expect(now()).toBe(0)
  await pass(1234)
  expect(now()).toBe(1234)
})

test.each([
  ['set forward', 7_200_000],
  ['set back', -7_200_000],
])('a clock of the machine that is %s is noticed at once', async (_, stepMs) => {
  const { machine, pass, now } = await start()
  await pass(1000)
  machine.wall += stepMs
  expect(now()).toBeGreaterThanOrEqual(1000)
  await settled()
  expect(now()).toBe(1000)
})

test('a machine that slept knows the time again at once', async () => {
  const { machine, database, now } = await start()
  machine.wall += 600_000
  database.time += 600_000
  expect(now()).toBe(600_000)
  await settled()
  expect(now()).toBe(600_000)
})

test('a clock of the database that is set is followed within ten seconds', async () => {
  const { database, pass, now } = await start()
  database.time += 3_600_000
  await pass(10_000)
  expect(now()).toBe(3_610_000)
})

test('an answer that was long under way changes nothing that it does not rule out', async () => {
  const { machine, database, pass, now } = await start()
  database.answerTakes = 4000
  await pass(10_000)
  expect(now()).toBe(14_000)
  // The database's clock is set back by a minute.
  machine.wall += 60_000
  machine.steady += 60_000
  await pass(10_000)
  expect(now()).toBe(28_000)
})

test('while the database is away time goes on, and it is not asked in a hurry', async () => {
  const { machine, database, now } = await start()
  database.away = true
  machine.wall += 3_600_000
  for (let i = 0; i < 100; i++) {
    now()
    await settled()
  }
  expect(database.asked).toBeLessThan(4)
  machine.steady += 2000
  machine.wall += 2000
  database.away = false
  database.time += 2000
  now()
  await settled()
  expect(now()).toBe(2000)
})
