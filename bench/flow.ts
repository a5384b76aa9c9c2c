import { readFile } from 'node:fs/promises'
import { type Client, makeClient } from '../src/contract/client.ts'
import { sleep } from '../src/lib/clock.ts'
import { pilotTokenFile } from '../src/main/tokens.ts'
import type { Culm } from './support.ts'

type Pace = {
  jobsPerSecond: number
  jobsPerTask?: number
  /** How many workflows the tasks go to, in turns. */
  workflows?: number
}
export type Flow = { workflowIds: `w${number}`[]; finished: () => number; stop: () => Promise<void> }

const tickMs = 100

/**
 * Work that flows through a server at a steady pace, over HTTP, with nothing run: tasks are submitted, and a pilot that is none claims their jobs and reports a value of each.
 * A job makes two moves that are kept (sent, finished).
 */
export const startFlow = async (
  { url, token, home }: Culm,
  { jobsPerSecond, jobsPerTask = 25, workflows = 4 }: Pace,
): Promise<Flow> => {
  const user = makeClient({ url, token })
  const pilot = makeClient({ url, token: (await readFile(pilotTokenFile(home, 'local'), 'utf8')).trim() })
  const workflowIds = await Promise.all(
    Array.from(
      { length: workflows },
      async (_, i) =>
        (await user.call('createWorkflow', { body: { name: `flow ${i + 1}`, kind: 'tasks' } })).workflowId,
    ),
  )
  const ending = new AbortController()
  const counted = { finished: 0 }
  const loops = [
    submitAtPace(user, workflowIds, { jobsPerSecond, jobsPerTask }, ending.signal),
    runAll(pilot, counted, ending.signal),
  ]
  const stop = async () => {
    ending.abort()
    await Promise.all(loops)
    for (const id of workflowIds) await user.call('cancelWorkflow', { params: { id }, body: {} })
    await Promise.all([user.close(), pilot.close()])
  }
  return { workflowIds, finished: () => counted.finished, stop }
}

const submitAtPace = async (
  user: Client,
  workflowIds: readonly `w${number}`[],
  { jobsPerSecond, jobsPerTask }: { jobsPerSecond: number; jobsPerTask: number },
  signal: AbortSignal,
): Promise<void> => {
  const began = performance.now()
  for (let tasks = 0; !signal.aborted; ) {
    const due = ((performance.now() - began) / 1000) * (jobsPerSecond / jobsPerTask)
    const submitted: Promise<unknown>[] = []
    for (; tasks < due; tasks++) submitted.push(submitTask(user, workflowIds[tasks % workflowIds.length]!, jobsPerTask))
    await Promise.all(submitted)
    await sleep(tickMs, signal)
  }
}

const submitTask = (user: Client, workflowId: `w${number}`, jobs: number) =>
  user.call('submitTask', {
    body: {
      workflowId,
      name: 'fit',
      queue: 'local',
      payload: { kind: 'command', command: ['fit'] },
      jobs: Array.from({ length: jobs }, (_, i) => ({ args: { text: `{"a":[${i}]}` } })),
    },
  })

const runAll = async (pilot: Client, counted: { finished: number }, signal: AbortSignal): Promise<void> => {
  const { pilotId, epoch } = await pilot.call('registerPilot', {
    body: { name: 'flow', queue: 'local', slots: 4096, host: 'bench', version: '0' },
  })
  const params = { id: pilotId }
  for (let claimSeq = 1; !signal.aborted; claimSeq++) {
    const body = { epoch, claimSeq, cores: 4096, jobs: 1000, waitSeconds: 1 }
    const { jobs } = await pilot.call('claim', { params, body })
    if (jobs.length === 0) continue
    const reports = jobs.map(({ jobId, attempt }) => ({
      jobId,
      attempt,
      what: 'finished' as const,
      value: { text: someValue(Number(jobId.slice(1))) },
    }))
    await pilot.call('report', { params, body: { epoch, reports } })
    counted.finished += reports.length
  }
  await pilot.call('leavePilot', { params, body: { epoch } })
}

/** Numbers that a search would report, different for each job. */
const someValue = (n: number): string =>
  JSON.stringify({ loss: ((n * 7919) % 10_000) / 10_000, rate: ((n * 104_729) % 1000) / 1000, depth: n % 12 })
