import { expect } from 'vitest'
import type { Client } from '../../../src/contract/client.ts'
import type { ClaimReply, Report } from '../../../src/contract/pilots.ts'
import { ensurePerson, makeOperator } from '../../../src/store/people.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'

/** What there is to see: a server of the test file's own, workflows that end with their test, and pilots that do what the test says. */

export let server: TestServer
export const startServer = async () => {
  server = await startTestServer()
}

export const text = (value: unknown) => ({ text: JSON.stringify(value) })

const made: `w${number}`[] = []
type NewWorkflow = { name: string; kind: 'tasks' | 'function'; labels?: Record<string, string> }
export const openWorkflow = async (body: NewWorkflow) => {
  const opened = await server.user.call('createWorkflow', { body })
  made.push(opened.workflowId)
  return opened
}
export const newWorkflow = async (name: string, labels?: Record<string, string>) =>
  (await openWorkflow({ name, kind: 'tasks', labels })).workflowId

/** Nothing of a test waits for the pilot of the next one. */
export const cancelRest = () =>
  Promise.all(
    made
      .splice(0)
      .map((id) =>
        server.user
          .call('cancelWorkflow', { params: { id }, body: {} })
          .catch((error) => expect(error.code).toBe('not_cancellable')),
      ),
  )

export const submit = (workflowId: `w${number}`, n: number, more: object = {}) =>
  server.user.call('submitTask', {
    body: {
      workflowId,
      name: 'a task',
      payload: { kind: 'command', command: ['true'] },
      jobs: Array.from({ length: n }, (_, i) => ({ args: text({ a: [i] }) })),
      ...more,
    },
  })

/** What a group has used, once it is added up. */
export const usageOf = async (by: string, name: string) =>
  (await server.user.call('usage', { query: { by } })).items.find((group) => group.name === name)

/** A queue of its own, at a site of its own. Gives what its pilots call the server with. */
export const newQueue = async (name: string): Promise<Place> => {
  const { db, clock } = server.engine
  const operator = await server.person('ada')
  await makeOperator(db, await ensurePerson(db, { experimentId: 1, name: 'ada', admin: false, now: clock() }))
  await operator.call('createQueue', { body: { name, site: `site-of-${name}` } })
  const { token } = await operator.call('createToken', { body: { queue: name } })
  return { queue: name, client: server.client(token) }
}
type Place = { queue: string; client: Client }

/** A pilot that is none: it claims by the API, and reports what the test says. */
export const withPilot = async (
  act: (pilot: Awaited<ReturnType<typeof newPilot>>) => Promise<void>,
  place: Place = { queue: 'local', client: server.pilot },
) => {
  const pilot = await newPilot(place)
  try {
    await act(pilot)
  } finally {
    await pilot.leave()
  }
}

let pilots = 0
const newPilot = async ({ queue, client }: Place) => {
  const { pilotId, epoch } = await client.call('registerPilot', {
    body: { name: `pilot-${++pilots}`, queue, slots: 100, host: 'node7', version: '1' },
  })
  const params = { id: pilotId }
  let claimSeq = 0
  const claim = (jobs: number) =>
    client.call('claim', { params, body: { epoch, claimSeq: ++claimSeq, cores: 100, jobs, waitSeconds: 10 } })
  return {
    take: (taskId: string, n: number) => takeAll(claim, taskId, n),
    report: (...reports: Report[]) => client.call('report', { params, body: { epoch, reports } }),
    print: ({ jobId, attempt }: Held, offset: number, words: string) =>
      client.call('sendLogs', {
        params,
        body: { epoch, chunks: [{ jobId, attempt, stream: 'stdout', offset, text: words }] },
      }),
    used: ({ jobId, attempt }: Held, ...points: [seconds: number, memoryMb: number, cores: number][]) =>
      client.call('sendTold', { params, body: { epoch, courses: [{ jobId, attempt, points }] } }),
    measured: ({ jobId, attempt }: Held, name: string, ...values: number[]) =>
      client.call('sendTold', {
        params,
        body: { epoch, metrics: values.map((value, step) => ({ jobId, attempt, name, step, value })) },
      }),
    leave: () => client.call('leavePilot', { params, body: { epoch } }),
  }
}

const takeAll = async (claim: (jobs: number) => Promise<ClaimReply>, taskId: string, n: number) => {
  const taken: ClaimReply['jobs'] = []
  while (taken.length < n) {
    const { jobs } = await claim(n - taken.length)
    expect(jobs.every((job) => job.taskId === taskId)).toBe(true)
    taken.push(...jobs)
  }
  return taken
}

export type Held = { jobId: `j${number}`; attempt: number }
export const finished = ({ jobId, attempt }: Held, value: unknown): Report => ({
  jobId,
  attempt,
  what: 'finished',
  value: text(value),
})
export const failed = ({ jobId, attempt }: Held, error: Report['error']): Report => ({
  jobId,
  attempt,
  what: 'failed',
  cause: 'user',
  exitCode: 1,
  error,
})
