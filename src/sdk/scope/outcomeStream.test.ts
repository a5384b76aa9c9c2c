import { afterEach, expect, test, vi } from 'vitest'
import { makeClient } from '../../contract/client.ts'
import { fault } from '../../contract/faults.ts'
import type { Outcome } from '../../contract/jobs.ts'
import { type Ended, type FakeServer, type FakeServerOptions, startFakeServer } from '../testing/fakeServer.ts'
import { OutcomeStream } from './outcomeStream.ts'

let server: FakeServer
afterEach(() => server.close())

const payload = { kind: 'function', bundle: 'a'.repeat(64), module: 'm.js', export: 'f', language: 'node' } as const

/** A stream, and a way to submit tasks of so many jobs through it. */
const open = async () => {
  const client = makeClient({ url: server.url, token: 'x' })
  const stream = new OutcomeStream({ client, workflowId: 'w1', scope: 'driver', idleMs: 20 })
  const received: Outcome[] = []
  const failed: unknown[] = []
  let n = 0
  const submit = async (jobs: number) => {
    const watch = stream.begin()
    const body = {
      workflowId: 'w1',
      name: 'f',
      payload,
      call: { key: `k${++n}`, epoch: 1 },
      jobs: Array.from({ length: jobs }, () => ({ args: { text: '{}' } })),
    } as const
    const wanted = {
      jobs,
      receive: (outcome: Outcome) => void received.push(outcome),
      fail: (error: unknown) => void failed.push(error),
    }
    try {
      return await watch.submit(() => client.call('submitTask', { body: { ...body, jobs: [...body.jobs] } }), wanted)
    } finally {
      watch.end()
    }
  }
  return { client, stream, submit, received, failed }
}

/** A server whose jobs end when the test says so. */
const holding = async (options: FakeServerOptions = {}) => {
  const ends: ((ended: Ended) => void)[] = []
  server = await startFakeServer({ slots: 100, run: () => new Promise((resolve) => ends.push(resolve)), ...options })
  return ends
}

test('an outcome that comes before the submission is answered is not lost', async () => {
  let release = () => {}
  const held = [
    undefined,
    new Promise<void>((resolve) => {
      release = resolve
    }),
  ]
  const hold = (name: string) => (name === 'submitTask' ? held.shift() : undefined)
  server = await startFakeServer({ run: async () => ({ text: '1' }), hold })
  const { submit, received } = await open()
  await submit(1)
  const early = submit(1)
  // The stream keeps order: when the third has come, so has the second, whose submission is still unanswered.
  await vi.waitFor(() => expect(server.askedFor('submitTask')).toHaveLength(2))
  const { taskId } = await submit(1)
  await vi.waitFor(() => expect(received.map((outcome) => outcome.taskId)).toContain(taskId))
  expect(received).toHaveLength(2)
  release()
  const late = await early
  expect(received.map((outcome) => outcome.taskId)).toContain(late.taskId)
})

test('what ended while no stream was open is asked for, also when the server cannot resume', async () => {
  const ends = await holding({ forgets: true })
  const { submit, received } = await open()
  await submit(2)
  ends[0]!({ text: '0' })
  await vi.waitFor(() => expect(received).toHaveLength(1))
  server.cutStreams()
  ends[1]!({ text: '1' })
  await vi.waitFor(() => expect(received).toHaveLength(2))
})

test('a stream that breaks is opened again, and each outcome is received once', async () => {
  const ends = await holding()
  const { submit, received } = await open()
  await submit(4)
  ends[0]!({ text: '0' })
  await vi.waitFor(() => expect(received).toHaveLength(1))
  server.cutStreams()
  ends[1]!({ text: '1' })
  await vi.waitFor(() => expect(received).toHaveLength(2))
  await vi.waitFor(() => expect(server.streams.size).toBe(1))
  server.cutStreams()
  ends[2]!({ text: '2' })
  ends[3]!({ text: '3' })
  await vi.waitFor(() => expect(received).toHaveLength(4))
  expect(received.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3])
})

test('the stream closes when nothing is awaited, and opens again for the next call', async () => {
  server = await startFakeServer({ run: async () => ({ text: '1' }) })
  const { submit, received } = await open()
  await submit(1)
  await vi.waitFor(() => expect(received).toHaveLength(1))
  await vi.waitFor(() => expect(server.streams.size).toBe(0))
  await submit(1)
  await vi.waitFor(() => expect(received).toHaveLength(2))
})

test('one stream serves calls that follow each other', async () => {
  server = await startFakeServer({ run: async () => ({ text: '1' }) })
  const { submit, received } = await open()
  for (let i = 1; i <= 5; i++) {
    await submit(1)
    await vi.waitFor(() => expect(received).toHaveLength(i), { interval: 1 })
  }
  expect(server.askedFor('streamWorkflow')).toHaveLength(1)
})

test('when the server refuses the stream, what is awaited fails with its reason', async () => {
  await holding()
  const { client, submit, failed } = await open()
  await submit(1)
  client.open = () => Promise.reject(fault('forbidden'))
  server.cutStreams()
  await vi.waitFor(() => expect(failed).toEqual([expect.objectContaining({ code: 'forbidden' })]))
})
