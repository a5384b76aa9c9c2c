import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from '../contract/client.ts'
import { fault } from '../contract/faults.ts'
import { silentLog } from '../lib/log.ts'
import { Registration } from './registration.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const registered = { pilotId: 'p1', epoch: 2, renewSeconds: 15, suspectSeconds: 45 }

/** A registration at a server that knows this pilot at work elsewhere for so long. */
const registrationAfter = (elsewhereMs: number) => {
  const since = performance.now()
  const call = async () => {
    if (performance.now() - since < elsewhereMs) throw fault('pilot_elsewhere')
    return registered
  }
  const as = { name: 'n', queue: 'q', slots: 1, host: 'h', version: '0' }
  const client = { call } as unknown as Client
  return new Registration({ client, as, nextStart: async () => 1, log: silentLog, onRegistered: () => {} })
}

test('an earlier self on another machine that died is waited for', async () => {
  const registration = registrationAfter(46_000)
  const done = registration.register()
  await vi.advanceTimersByTimeAsync(50_000)
  await done
  expect(registration.current).toEqual(registered)
})

test('one that lives is left in peace', async () => {
  const refused = expect(registrationAfter(Number.POSITIVE_INFINITY).register()).rejects.toMatchObject({
    code: 'pilot_elsewhere',
  })
  await vi.advanceTimersByTimeAsync(70_000)
  await refused
})

test('who is told to end meanwhile does not wait', async () => {
  const ending = new AbortController()
  const refused = expect(registrationAfter(46_000).register(ending.signal)).rejects.toBeTruthy()
  await vi.advanceTimersByTimeAsync(1000)
  ending.abort()
  await vi.advanceTimersByTimeAsync(0)
  await refused
})
