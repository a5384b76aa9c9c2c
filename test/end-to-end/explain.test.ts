import { beforeAll, expect, test } from 'vitest'
import type { Client } from '../../src/contract/client.ts'
import type { Report } from '../../src/contract/pilots.ts'
import { defaultLimits } from '../../src/services/engine/engine.ts'
import { eventually, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let user: Client
let workflowId: `w${number}`

beforeAll(async () => {
  // Silence is noticed after 2 s here, not after 45.
  server = await startTestServer({ limits: { ...defaultLimits, leaseSeconds: 2, renewSeconds: 1 } })
  user = server.user
  workflowId = (await user.call('createWorkflow', { body: { name: 'why', kind: 'function' } })).workflowId
})

const submit = (n: number, more: object = {}) =>
  user.call('submitTask', {
    body: {
      workflowId,
      name: 'why',
      payload: { kind: 'command', command: ['true'] },
      jobs: Array.from({ length: n }, () => ({ args: { text: '{}' } })),
      ...more,
    },
  })

const register = async (name: string, slots: number) => {
  const { pilotId, epoch } = await server.pilot.call('registerPilot', {
    body: { name, queue: 'local', slots, host: 'here', version: '1' },
  })
  let claimSeq = 0
  return {
    claim: (cores = slots) =>
      server.pilot.call('claim', {
        params: { id: pilotId },
        body: { epoch, claimSeq: ++claimSeq, cores, jobs: cores, waitSeconds: 5 },
      }),
    report: (...reports: Report[]) =>
      server.pilot.call('report', { params: { id: pilotId }, body: { epoch, reports } }),
    leave: () => server.pilot.call('leavePilot', { params: { id: pilotId }, body: { epoch } }),
  }
}

const why = async (id: `j${number}`) => user.call('explainJob', { params: { id } })

test('no pilot', async () => {
  const { firstJobId, taskId } = await submit(1)
  const said = await why(firstJobId!)
  expect(said).toMatchObject({ cause: 'no_pilot', remedy: expect.stringContaining('culm') })
  expect((await user.call('explainTask', { params: { id: taskId } })).cause).toBe('no_pilot')
  await user.call('cancelTask', { params: { id: taskId } })
})

test('slots busy, larger than any pilot, waits for others, back-off until a time, user error', async () => {
  const pilot = await register('busy', 1)
  const [running, waiting, large] = [await submit(1), await submit(1), await submit(1, { cores: 64 })]
  const { jobs } = await pilot.claim()
  expect(jobs[0]?.taskId).toBe(running.taskId)
  expect(await why(waiting.firstJobId!)).toMatchObject({
    cause: 'slots_busy',
    evidence: expect.arrayContaining(['local: 1 running, 1 slots on 1 pilots']),
  })
  expect((await why(large.firstJobId!)).cause).toBe('does_not_fit')
  const child = await submit(1, { after: [running.taskId, waiting.taskId] })
  expect(await why(child.firstJobId!)).toMatchObject({
    cause: 'waits_for_inputs',
    evidence: expect.arrayContaining([expect.stringContaining(running.taskId)]),
  })
  await pilot.report({
    jobId: jobs[0]!.jobId,
    attempt: 1,
    what: 'failed',
    cause: 'site',
    error: { type: 'NoDisk', message: 'no space' },
  })
  expect(await why(running.firstJobId!)).toMatchObject({
    cause: 'back_off',
    sentence: expect.stringMatching(/runs again at 20/),
  })
  const next = await pilot.claim()
  await pilot.report({
    jobId: next.jobs[0]!.jobId,
    attempt: next.jobs[0]!.attempt,
    what: 'failed',
    cause: 'user',
    exitCode: 3,
    error: { type: 'ExitCode', message: 'exit code 3' },
  })
  expect(await why(next.jobs[0]!.jobId)).toMatchObject({
    cause: 'user_error',
    evidence: expect.arrayContaining(['exit code 3']),
  })
  await user.call('cancelTask', { params: { id: large.taskId } })
  await pilot.leave()
})

test('over a limit', async () => {
  const pilot = await register('limited', 1)
  const { firstJobId } = await submit(1, { memoryMb: 100, priority: 8000 })
  const { jobs } = await pilot.claim()
  await pilot.report({
    jobId: jobs[0]!.jobId,
    attempt: 1,
    what: 'failed',
    cause: 'memory',
    signal: 'SIGKILL',
    usage: { maxRssMb: 180.4 },
    error: { type: 'MemoryLimit', message: 'over' },
  })
  expect(await why(firstJobId!)).toMatchObject({
    cause: 'over_memory',
    remedy: 'ask for more memory (its peak was 181 MB), or for attempts by `memory`, of which each has twice as much',
  })
  await pilot.leave()
})

test('a pilot that falls silent is suspect, then its job is lost and, when no attempt is left, failed with that cause', async () => {
  const pilot = await register('silent', 1)
  const { firstJobId } = await submit(1, { lostAfterSeconds: 4, attempts: { lost: 1 }, priority: 8000 })
  expect((await pilot.claim()).jobs[0]?.jobId).toBe(firstJobId)
  await eventually(async () => (await why(firstJobId!)).cause === 'pilot_silent', 'its pilot is suspect')
  const said = await eventually(async () => {
    const said = await why(firstJobId!)
    return said.cause === 'lost' && said
  }, 'the job is lost')
  expect(said).toMatchObject({ state: 'failed', remedy: expect.stringContaining('culm') })
  expect(
    (await pilot.report({ jobId: firstJobId!, attempt: 1, what: 'finished', value: { text: '1' } })).answers[0]?.answer,
  ).toBe('stale')
})
