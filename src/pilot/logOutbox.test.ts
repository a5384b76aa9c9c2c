import { expect, test } from 'vitest'
import { silentLog } from '../lib/log.ts'
import { type LogChunk, LogOutbox } from './logOutbox.ts'

const chunk = (text: string, offset: number, jobId = 'j1'): LogChunk => ({
  jobId,
  attempt: 1,
  stream: 'stdout',
  offset,
  text,
})

/** An outbox whose sends are kept, and end when `open` is called. */
const gated = (options: { maxWaiting?: number } = {}) => {
  const sent: LogChunk[][] = []
  const opens: (() => void)[] = []
  const send = (chunks: LogChunk[]): Promise<void> => {
    sent.push(chunks)
    return new Promise((resolve) => opens.push(resolve))
  }
  return { outbox: new LogOutbox({ send, log: silentLog, pauseMs: 0, ...options }), sent, open: () => opens.shift()!() }
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

test('the first words go at once, and what comes meanwhile goes together', async () => {
  const { outbox, sent, open } = gated()
  outbox.append(chunk('a', 0))
  expect(sent).toEqual([[chunk('a', 0)]])
  outbox.append(chunk('b', 1))
  outbox.append(chunk('x', 0, 'j2'))
  outbox.append(chunk('c', 2))
  open()
  await until(() => sent.length === 2)
  expect(sent[1]).toEqual([chunk('bc', 1), chunk('x', 0, 'j2')])
  open()
  await outbox.flushed()
})

test('no chunk is larger than the contract allows, and none cuts a character in two', async () => {
  const { outbox, sent, open } = gated()
  const text = `a${'😀'.repeat(200_000)}`
  outbox.append(chunk(text, 10))
  open()
  await outbox.flushed()
  const chunks = sent.flat()
  expect(chunks.map((c) => c.text).join('')).toBe(text)
  expect(chunks.every((c) => c.text.length <= 262_144 && c.text.isWellFormed())).toBe(true)
  expect(chunks[1]!.offset).toBe(10 + Buffer.byteLength(chunks[0]!.text))
})

test('who prints faster than can be sent is held up until there is room', async () => {
  const { outbox, open } = gated({ maxWaiting: 100 })
  outbox.append(chunk('x'.repeat(100), 0))
  expect(outbox.full).toBe(true)
  let called = false
  outbox.onRoom(() => {
    called = true
  })
  open()
  await until(() => called)
  expect(outbox.full).toBe(false)
})

test('what the server refuses is dropped, and the rest goes on', async () => {
  const sent: string[] = []
  const outbox = new LogOutbox({
    log: silentLog,
    pauseMs: 0,
    send: async ([first]) => {
      if (first!.text === 'bad') throw new Error('refused')
      sent.push(first!.text)
    },
  })
  outbox.append(chunk('bad', 0))
  outbox.append(chunk('good', 3))
  await outbox.flushed()
  expect(sent).toEqual(['good'])
})
