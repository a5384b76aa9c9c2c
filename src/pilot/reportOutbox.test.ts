import { expect, test } from 'vitest'
import type { Client } from '../contract/client.ts'
import { fault } from '../contract/faults.ts'
import type { Report } from '../contract/pilots.ts'
import { silentLog } from '../lib/log.ts'
import { Registration } from './registration.ts'
import { ReportOutbox } from './reportOutbox.ts'

const finished = (n: number, text = '1'): Report => ({ jobId: `j${n}`, attempt: 1, what: 'finished', value: { text } })

/** An outbox before a server that does as `take` says. */
const outboxBefore = async (take: (reports: Report[]) => void) => {
  const call = async (name: string, { body }: { body: { reports: Report[] } }) => {
    if (name === 'registerPilot') return { pilotId: 'p1', epoch: 1, renewSeconds: 15, suspectSeconds: 45 }
    take(body.reports)
    return { answers: body.reports.map(({ jobId }) => ({ jobId, answer: 'moved', state: 'finished' })) }
  }
  const client = { call } as unknown as Client
  const as = { name: 'n', queue: 'q', slots: 1, host: 'h', version: '0' }
  const registration = new Registration({
    client,
    as,
    nextStart: async () => 1,
    log: silentLog,
    onRegistered: () => {},
  })
  await registration.register()
  const replaced: unknown[] = []
  const end = new AbortController()
  const outbox = new ReportOutbox({
    client,
    registration,
    log: silentLog,
    signal: end.signal,
    onReplaced: (error) => replaced.push(error),
  })
  return { outbox, replaced, end }
}

test('a report that the server will never take is told as a failure, and its neighbours go through', async () => {
  const taken: Report[] = []
  const { outbox } = await outboxBefore((reports) => {
    if (reports.some(({ value }) => value && 'text' in value && value.text === 'bad'))
      throw fault('invalid_text', 'a lone surrogate')
    taken.push(...reports)
  })
  await Promise.all([finished(1), finished(2, 'bad'), finished(3)].map((report) => outbox.report(report)))
  expect(taken.map(({ jobId, what }) => `${jobId} ${what}`).sort()).toEqual(['j1 finished', 'j2 failed', 'j3 finished'])
  expect(taken.find(({ jobId }) => jobId === 'j2')).toMatchObject({
    cause: 'runner',
    error: { message: expect.stringContaining('a lone surrogate') },
  })
})

test('an error of the server is tried again until it passes', async () => {
  let tries = 0
  const { outbox } = await outboxBefore(() => {
    if (++tries < 3) throw fault('internal')
  })
  expect(await outbox.report(finished(1))).toMatchObject({ answer: 'moved' })
  expect(tries).toBe(3)
  await outbox.empty()
})

test('a pilot that was replaced reports no more, and says so', async () => {
  const { outbox, replaced } = await outboxBefore(() => {
    throw fault('pilot_replaced')
  })
  expect(await outbox.report(finished(1))).toBe(null)
  expect(replaced).toMatchObject([{ code: 'pilot_replaced' }])
})
