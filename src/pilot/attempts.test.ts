import { afterEach, expect, test, vi } from 'vitest'
import type { ClaimReply, Report, ReportsReply } from '../contract/pilots.ts'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import type { Attempt } from './attempt.ts'
import { Attempts } from './attempts.ts'
import type { Outcome } from './failure.ts'
import { LogOutbox } from './logOutbox.ts'
import type { Skipped } from './runFunction.ts'

afterEach(() => {
  vi.useRealTimers()
})

type Answer = ReportsReply['answers'][number]

/** Attempts whose payloads the test itself starts and ends, before a server that answers by `answer`. */
const bench = (
  slots: number,
  answer: (report: Report) => Partial<Answer> = () => ({}),
  gpus: readonly string[] = [],
) => {
  const reports: Report[] = []
  const running = new Map<string, { attempt: Attempt; end: (outcome: Outcome | Skipped) => void }>()
  const attempts = new Attempts({
    slots,
    memoryMb: 1000,
    gpus,
    maxLogBytes: 1000,
    clock: systemClock,
    log: silentLog,
    logs: new LogOutbox({ send: async () => {}, log: silentLog }),
    run: (some) =>
      some.map(
        (attempt) =>
          new Promise((end) => {
            running.set(attempt.job.jobId, { attempt, end })
            attempt.started({ pid: undefined })
            attempt.goesTo({
              stop: () => end({ what: 'returned' }),
              resume: () => resumed.push(attempt.job.jobId),
              giveBack: () => end({ what: 'skipped' }),
            })
          }),
      ),
    canFollow: () => false,
    report: async (report) => {
      reports.push(report)
      return { jobId: report.jobId, answer: 'moved', state: 'running', ...answer(report) }
    },
    tell: () => {},
    tellCourse: () => {},
    watch: () => {},
    unwatch: () => {},
    onFree: () => {},
  })
  const resumed: string[] = []
  const told = () => reports.map(({ jobId, what }) => `${jobId} ${what}`)
  return { attempts, reports, running, resumed, told }
}

const reply = (
  jobs: number[],
  { resumed = [] as number[], cores = 1, memoryMb = null as number | null, gpus = 0 } = {},
): ClaimReply => ({
  claimSeq: 1,
  jobs: jobs.map((n) => ({ jobId: `j${n}`, taskId: 't1', index: n, attempt: 1, args: { text: '{}' }, token: 'k' })),
  resumed: resumed.map((n) => ({ jobId: `j${n}` as const, attempt: 1 })),
  tasks: [
    {
      taskId: 't1',
      name: 'n',
      ownerId: 'u1',
      workflowId: 'w1',
      payload: { kind: 'command', command: ['x'] },
      common: null,
      cores,
      memoryMb,
      gpus,
      wallSeconds: null,
    },
  ],
  cancel: [],
})

const settle = () => new Promise((resolve) => setImmediate(resolve))
const finished: Outcome = { what: 'finished', value: { text: '1' } }

test('what comes ahead of the cores waits for them, and is counted as held', async () => {
  const { attempts, running, told } = bench(2)
  attempts.take(reply([1, 2, 3], { memoryMb: 300 }))
  expect([...running.keys()]).toEqual(['j1', 'j2'])
  expect([attempts.room, attempts.freeMemoryMb]).toEqual([0, 100])
  expect(attempts.list()).toHaveLength(3)
  running.get('j1')!.end(finished)
  await settle()
  expect([...running.keys()]).toEqual(['j1', 'j2', 'j3'])
  expect(attempts.list()).toHaveLength(2)
  expect(told()).toEqual(['j1 finished'])
})

test('a job that asks for more memory than its task is counted and held by that', async () => {
  const { attempts, reports } = bench(2)
  const { jobs, ...rest } = reply([1, 2], { memoryMb: 300 })
  attempts.take({ ...rest, jobs: [{ ...jobs[0]!, memoryMb: 600 }, jobs[1]!] })
  expect(attempts.freeMemoryMb).toBe(100)
  attempts.overMemory('j1:1', 700)
  await settle()
  expect(reports[0]!.error!.message).toContain('its limit is 600 MB')
})

test('a job larger than what is free waits until it fits, and the same answer twice brings nothing new', async () => {
  const { attempts, running } = bench(4)
  expect(attempts.take(reply([1], { cores: 3 }))).toBe(true)
  expect(attempts.take(reply([1], { cores: 3 }))).toBe(false)
  attempts.take(reply([2], { cores: 2 }))
  expect([...running.keys()]).toEqual(['j1'])
  running.get('j1')!.end(finished)
  await settle()
  expect([...running.keys()]).toEqual(['j1', 'j2'])
})

test('an awaiting job takes no core, and comes first when it has one again', async () => {
  const { attempts, running, resumed, told } = bench(1)
  attempts.take(reply([1]))
  running.get('j1')!.attempt.awaits()
  expect(attempts.room).toBe(1)
  attempts.take(reply([2]))
  running.get('j1')!.attempt.wakes()
  attempts.take(reply([3], { resumed: [1] }))
  running.get('j2')!.end(finished)
  await settle()
  expect(resumed).toEqual(['j1'])
  expect([...running.keys()]).toEqual(['j1', 'j2'])
  expect(told()).toEqual(['j1 awaiting', 'j1 woken', 'j2 finished'])
})

test('who waits for its slot asks again, and goes on when the server says that it has it', async () => {
  vi.useFakeTimers()
  const { attempts, running, resumed, told } = bench(1, ({ what }) =>
    what === 'woken' && told().length > 2 ? { answer: 'stale', state: 'running' } : {},
  )
  attempts.take(reply([1]))
  running.get('j1')!.attempt.awaits()
  running.get('j1')!.attempt.wakes()
  await vi.advanceTimersByTimeAsync(4000)
  expect(resumed).toEqual([])
  await vi.advanceTimersByTimeAsync(1000)
  expect(resumed).toEqual(['j1'])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(told()).toEqual(['j1 awaiting', 'j1 woken', 'j1 woken'])
})

test('only a job that runs for a while is reported to run', async () => {
  vi.useFakeTimers()
  const { attempts, running, told } = bench(2)
  attempts.take(reply([1, 2]))
  running.get('j1')!.end(finished)
  await vi.advanceTimersByTimeAsync(1000)
  expect(told()).toEqual(['j1 finished', 'j2 running'])
})

test('what never started goes back at once, and a dropped job is not spoken of', async () => {
  const { attempts, running, told } = bench(1)
  attempts.take(reply([1, 2, 3]))
  attempts.returnIdle()
  attempts.stop({ jobId: 'j1', attempt: 1 }, { why: 'dropped', graceMs: 0 })
  await attempts.quiet()
  expect(told()).toEqual(['j2 returned', 'j3 returned'])
  expect([...running.keys()]).toEqual(['j1'])
})

test('a result that came before the cancel took effect wins; otherwise the cancel does', async () => {
  const { attempts, running, reports } = bench(2)
  attempts.take(reply([1, 2]))
  running.get('j1')!.end(finished)
  for (const jobId of ['j1', 'j2']) attempts.stop({ jobId, attempt: 1 }, { why: 'cancelled', graceMs: 5000 })
  await attempts.quiet()
  await settle()
  expect(reports.map(({ jobId, what }) => [jobId, what]).sort()).toEqual([
    ['j1', 'finished'],
    ['j2', 'cancelled'],
  ])
})

test('who left his value to come from outside is not run again for a stop that came meanwhile', async () => {
  const { attempts, running, reports } = bench(3)
  attempts.take(reply([1, 2, 3]))
  const until = '2030-01-01T00:00:00.000Z'
  for (const [n, why] of (['returned', 'cancelled', 'dropped'] as const).entries()) {
    const { attempt, end } = running.get(`j${n + 1}`)!
    attempt.goesTo({ stop: () => {}, resume: () => {}, giveBack: () => {} })
    attempts.stop({ jobId: `j${n + 1}`, attempt: 1 }, { why, graceMs: 5000 })
    end({ what: 'deferred', until })
  }
  await attempts.quiet()
  expect(reports).toMatchObject([
    { jobId: 'j1', what: 'deferred', until },
    { jobId: 'j2', what: 'deferred', until },
  ])
})

test('a job may await and wake many times, and each time its end waits for its slot', async () => {
  const { attempts, running, told } = bench(1)
  attempts.take(reply([1]))
  const { attempt, end } = running.get('j1')!
  for (const round of [1, 2]) {
    attempt.awaits()
    attempt.wakes()
    if (round === 2) end(finished)
    await settle()
    expect(told()).not.toContain('j1 finished')
    attempts.take(reply([], { resumed: [1] }))
  }
  await settle()
  expect(told()).toEqual(['j1 awaiting', 'j1 woken', 'j1 awaiting', 'j1 woken', 'j1 finished'])
})

test('the first reason to end counts, and a later one only hastens it', async () => {
  const { attempts, running, reports } = bench(1)
  attempts.take(reply([1], { memoryMb: 10 }))
  running.get('j1')!.attempt.goesTo({ stop: () => {}, resume: () => {}, giveBack: () => {} }) // it takes its time
  attempts.stop({ jobId: 'j1', attempt: 1 }, { why: 'cancelled', graceMs: 5000 })
  attempts.overMemory('j1:1', 20)
  expect(running.get('j1')!.attempt.stop).toEqual({ why: 'cancelled', graceMs: 0 })
  running.get('j1')!.end({ what: 'returned' })
  await attempts.quiet()
  expect(reports.map(({ what }) => what)).toEqual(['cancelled'])
})

test('when a job fails as all others of its task would, what waits of it is given back, after that is told', async () => {
  const { attempts, running, told } = bench(1)
  attempts.take(reply([1, 2, 3]))
  const other = reply([4])
  attempts.take({
    ...other,
    jobs: [{ ...other.jobs[0]!, taskId: 't2' }],
    tasks: [{ ...other.tasks[0]!, taskId: 't2' }],
  })
  running.get('j1')!.end({ what: 'failed', cause: 'environment', error: { type: 'E', message: 'm' } })
  await vi.waitFor(() => expect(running.has('j4')).toBe(true))
  expect(told()).toEqual(['j1 failed', 'j2 returned', 'j3 returned'])
  expect([...running.keys()]).toEqual(['j1', 'j4'])
  attempts.close()
})

const devicesOf = (running: ReturnType<typeof bench>['running']) =>
  Object.fromEntries([...running].map(([id, { attempt }]) => [id, attempt.devices]))

test('jobs that run at the same time have GPUs of their own, and others none; what is free is told', async () => {
  const { attempts, running } = bench(4, undefined, ['0', '1'])
  expect(attempts.freeGpus).toBe(2)
  attempts.take(reply([1, 2, 3], { gpus: 1 }))
  const other = reply([4])
  attempts.take({
    ...other,
    jobs: [{ ...other.jobs[0]!, taskId: 't2' }],
    tasks: [{ ...other.tasks[0]!, taskId: 't2' }],
  })
  expect(devicesOf(running)).toEqual({ j1: ['0'], j2: ['1'], j4: [] })
  expect(attempts.freeGpus).toBe(0)
  running.get('j2')!.end(finished)
  await settle()
  expect(devicesOf(running)).toMatchObject({ j3: ['1'] })
  running.get('j1')!.end(finished)
  await settle()
  expect(attempts.freeGpus).toBe(1)
})

test('a pilot that has no GPUs to give says nothing of them', () => {
  const { attempts, running } = bench(1)
  attempts.take(reply([1]))
  expect([attempts.freeGpus, running.get('j1')!.attempt.devices]).toEqual([undefined, null])
})

test('a job that awaits lends its GPUs, goes on with the same, and keeps nobody from the cores while it waits for them', async () => {
  const { attempts, running, resumed } = bench(2, undefined, ['0'])
  attempts.take(reply([1], { gpus: 1 }))
  running.get('j1')!.attempt.awaits()
  expect(attempts.freeGpus).toBe(1)
  attempts.take(reply([2], { gpus: 1 }))
  expect(devicesOf(running)).toEqual({ j1: ['0'], j2: ['0'] })
  running.get('j1')!.attempt.wakes()
  attempts.take(reply([], { resumed: [1] }))
  attempts.take(reply([3]))
  expect([[...running.keys()], resumed]).toEqual([['j1', 'j2', 'j3'], []])
  running.get('j2')!.end(finished)
  await settle()
  expect([resumed, attempts.freeGpus]).toEqual([['j1'], 0])
})
