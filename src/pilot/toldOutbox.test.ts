import fc from 'fast-check'
import { expect, test } from 'vitest'
import { told as contract } from '../contract/told.ts'
import { silentLog } from '../lib/log.ts'
import { hiddenIn } from './redaction.ts'
import { type ToldBatch, ToldOutbox } from './toldOutbox.ts'

/** An outbox whose sends are kept, and end when `open` is called. */
const gated = (options: { maxWaiting?: number } = {}) => {
  const sent: ToldBatch[] = []
  const opens: (() => void)[] = []
  const send = (batch: ToldBatch): Promise<void> => {
    sent.push(batch)
    return new Promise((resolve) => opens.push(resolve))
  }
  const outbox = new ToldOutbox({ send, log: silentLog, pauseMs: 0, ...options })
  const tell = (jobId: string, name: string, step: number, value = step) =>
    outbox.add({ t: 'told', jobId, attempt: 1, metrics: [{ step, values: { [name]: value } }] }, null)
  /** Lets all that waits go, and gives it. */
  const rest = async (): Promise<ToldBatch[]> => {
    const before = sent.length
    let isEmpty = false
    void outbox.flushed().then(() => {
      isEmpty = true
    })
    while (!isEmpty) {
      for (const open of opens.splice(0)) open()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return sent.slice(before)
  }
  return { outbox, sent, tell, rest }
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

test('of what an attempt has used all goes that was told last, in no larger requests than the server takes', async () => {
  const { outbox, sent, rest } = gated()
  const tell = (n: number, ...points: [number, number, number][]) =>
    outbox.addCourse({ jobId: `j${n}`, attempt: 1, points })
  tell(1, [10, 100, 1])
  expect(sent.map(({ courses }) => courses)).toEqual([[{ jobId: 'j1', attempt: 1, points: [[10, 100, 1]] }]])
  for (let n = 2; n < 302; n++) tell(n, [10, 50, 1])
  tell(2, [10, 50, 1], [20, 60, 2])
  const batches = await rest()
  for (const batch of batches) contract.parse({ epoch: 1, ...batch })
  const waited = batches.flatMap(({ courses }) => courses)
  expect(waited).toHaveLength(300)
  expect(waited.find(({ jobId }) => jobId === 'j2')!.points).toEqual([
    [10, 50, 1],
    [20, 60, 2],
  ])
})

test('the first word goes at once; what comes meanwhile goes together, and of progress only the last', async () => {
  const { outbox, sent, tell, rest } = gated()
  tell('j1', 'loss', 1)
  expect(sent).toEqual([
    { metrics: [{ jobId: 'j1', attempt: 1, name: 'loss', step: 1, value: 1 }], progress: [], courses: [] },
  ])
  for (const done of [1, 2, 3]) outbox.add({ t: 'told', jobId: 'j1', attempt: 1, progress: { done, total: 9 } }, null)
  outbox.add({ t: 'told', jobId: 'j2', attempt: 1, progress: { done: 5 } }, null)
  tell('j1', 'loss', 2)
  const [batch] = await rest()
  expect(batch!.metrics.map(({ step }) => step)).toEqual([2])
  expect(batch!.progress).toEqual([
    { jobId: 'j1', attempt: 1, done: 3, total: 9 },
    { jobId: 'j2', attempt: 1, done: 5 },
  ])
})

test('while the server is away memory is bounded, and of each metric stays its form with the last word', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('j1', 'j2'), fc.constantFrom('a', 'b')), { maxLength: 400 }),
      fc.integer({ min: 10, max: 60 }),
      async (words, maxWaiting) => {
        const { sent, tell, rest } = gated({ maxWaiting })
        const steps = new Map<string, number>()
        for (const [jobId, name] of words) {
          const key = `${jobId} ${name}`
          const step = (steps.get(key) ?? 0) + 1
          steps.set(key, step)
          tell(jobId, name, step)
        }
        const first = sent[0]?.metrics ?? []
        const left = (await rest()).flatMap((batch) => batch.metrics)
        expect(left.length).toBeLessThanOrEqual(maxWaiting)
        for (const [key, last] of steps) {
          const kept = [...first, ...left].filter((m) => `${m.jobId} ${m.name}` === key).map((m) => m.step)
          expect(kept.at(-1)).toBe(last)
          expect(kept).toEqual([...kept].sort((a, b) => a - b))
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('a curve that was thinned has its points evenly from its begin to its end, and a short one beside it keeps all', async () => {
  const { tell, rest } = gated({ maxWaiting: 100 })
  for (let step = 1; step <= 5000; step++) {
    tell('j1', 'loss', step)
    if (step % 1000 === 0) tell('j2', 'loss', step)
  }
  const told = (await rest()).flatMap((batch) => batch.metrics)
  const steps = told.filter(({ jobId }) => jobId === 'j1').map(({ step }) => step)
  const gaps = [0, ...steps].map((step, i) => (steps[i] ?? 5000) - step)
  expect(steps.length).toBeGreaterThan(20)
  expect(Math.max(...gaps)).toBeLessThanOrEqual(5000 / 15)
  expect(told.filter(({ jobId }) => jobId === 'j2').map(({ step }) => step)).toEqual([1000, 2000, 3000, 4000, 5000])
})

test('more metrics than can be thinned lose the oldest of them', async () => {
  const { tell, rest } = gated({ maxWaiting: 100 })
  for (let n = 0; n < 300; n++) tell('j1', `metric ${n}`, 1)
  const names = (await rest()).flatMap((batch) => batch.metrics.map((m) => m.name))
  expect(names.length).toBeLessThanOrEqual(100)
  expect(names.at(-1)).toBe('metric 299')
})

test('no secret is in what is sent, and all of it is what the contract takes', async () => {
  const { outbox, sent, rest } = gated()
  const hidden = hiddenIn([{ name: 'n'.repeat(150), value: Buffer.from('hunter2').toString('base64') }] as never)
  const values = { [`hunter2-${'x'.repeat(190)}`]: 'NaN' as const, loss: 1 }
  const text = `hunter2 \ud800 ${'y'.repeat(980)}`
  outbox.add(
    { t: 'told', jobId: 'j1', attempt: 1, metrics: [{ step: 0, values }], progress: { done: 0, text } },
    hidden,
  )
  await rest()
  const all = { epoch: 1, metrics: sent.flatMap((b) => b.metrics), progress: sent.flatMap((b) => b.progress) }
  expect(JSON.stringify(all)).not.toContain('hunter2')
  expect(contract.safeParse(all).success).toBe(true)
  expect(JSON.stringify(all).isWellFormed() && all.progress[0]!.text!.isWellFormed()).toBe(true)
})

test('what the server refuses is dropped, and the rest goes on', async () => {
  const sent: number[] = []
  const outbox = new ToldOutbox({
    log: silentLog,
    pauseMs: 0,
    send: async ({ progress: [first] }) => {
      if (first!.done === 1) throw new Error('refused')
      sent.push(first!.done)
    },
  })
  outbox.add({ t: 'told', jobId: 'j1', attempt: 1, progress: { done: 1 } }, null)
  outbox.add({ t: 'told', jobId: 'j1', attempt: 1, progress: { done: 2 } }, null)
  await outbox.flushed()
  await until(() => sent.length === 1)
  expect(sent).toEqual([2])
})
