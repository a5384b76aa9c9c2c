import { readFile } from 'node:fs/promises'
import { type Client, makeClient } from '../src/contract/client.ts'
import type { ClaimedJob, Report } from '../src/contract/pilots.ts'
import { sleep } from '../src/lib/clock.ts'
import { pilotTokenFile } from '../src/main/tokens.ts'
import type { Culm } from './support.ts'

type Pace = {
  jobsPerSecond: number
  jobsPerTask?: number
  /** How many workflows the tasks go to, in turns. */
  workflows?: number
  /** What jobs do: those of a search also tell their loss as a metric, and one of 200 fails. */
  kind?: 'plain' | 'search'
  /** The pilot reports no more than this, so that what else is submitted is run beside it slowly; as much as there is when left out. */
  reportsPerSecond?: number
}
export type Flow = { workflowIds: `w${number}`[]; finished: () => number; stop: () => Promise<void> }

const tickMs = 100

/**
 * Work that flows through a server at a steady pace, over HTTP, with nothing run: tasks are submitted, and a pilot that is none claims their jobs and reports a value of each.
 * A job makes two moves that are kept (sent, finished).
 */
export const startFlow = async (
  { url, token, home }: Culm,
  { jobsPerSecond, jobsPerTask = 25, workflows = 4, kind = 'plain', reportsPerSecond = Number.POSITIVE_INFINITY }: Pace,
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
  const loops = Promise.all([
    submitAtPace(user, workflowIds, { jobsPerSecond, jobsPerTask }, ending.signal),
    runAll(pilot, counted, { kind, reportsPerSecond }, ending.signal),
  ])
  // What fails is said when it is stopped: thrown by itself it would end the bench without what it started.
  loops.catch(() => {})
  const stop = async () => {
    ending.abort()
    await loops
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

type Run = Required<Pick<Pace, 'kind' | 'reportsPerSecond'>>

const runAll = async (
  pilot: Client,
  counted: { finished: number },
  { kind, reportsPerSecond }: Run,
  signal: AbortSignal,
): Promise<void> => {
  const { pilotId, epoch } = await pilot.call('registerPilot', {
    body: { name: 'flow', queue: 'local', slots: 4096, host: 'bench', version: '0' },
  })
  const params = { id: pilotId }
  const pace = paced(reportsPerSecond)
  for (let claimSeq = 1; !signal.aborted; claimSeq++) {
    const most = await pace.room(signal)
    const body = { epoch, claimSeq, cores: 4096, jobs: Math.min(1000, most), waitSeconds: 1 }
    const { jobs } = await pilot.call('claim', { params, body })
    if (jobs.length === 0) continue
    pace.took(jobs.length)
    if (kind === 'search') await pilot.call('sendTold', { params, body: { epoch, metrics: jobs.map(lossOf) } })
    const reports = jobs.map((job) => reportOf(job, kind))
    await pilot.call('report', { params, body: { epoch, reports } })
    counted.finished += reports.length
  }
  await pilot.call('leavePilot', { params, body: { epoch } })
}

/** How many may be taken by now, of so many a second; waits until it is one. */
const paced = (perSecond: number) => {
  const began = performance.now()
  let taken = 0
  const due = () =>
    perSecond === Number.POSITIVE_INFINITY ? 1000 : Math.floor(((performance.now() - began) / 1000) * perSecond) - taken
  return {
    room: async (signal: AbortSignal): Promise<number> => {
      while (due() < 1 && !signal.aborted) await sleep(tickMs, signal)
      return Math.max(0, due())
    },
    took: (n: number) => {
      taken += n
    },
  }
}

const reportOf = ({ jobId, attempt }: ClaimedJob, kind: Run['kind']): Report => {
  const n = Number(jobId.slice(1))
  if (kind === 'search' && n % 200 === 0)
    return { jobId, attempt, what: 'failed', cause: 'user', error: { type: 'ValueError', message: `bad rate in ${n}` } }
  return { jobId, attempt, what: 'finished', value: { text: JSON.stringify(someValue(n)) } }
}

const lossOf = ({ jobId, attempt }: ClaimedJob) => {
  const { loss } = someValue(Number(jobId.slice(1)))
  return { jobId, attempt, name: 'loss', step: 1, value: loss }
}

/** Numbers that a search would report, different for each job. */
const someValue = (n: number) => ({
  loss: ((n * 7919) % 10_000) / 10_000,
  rate: ((n * 104_729) % 1000) / 1000,
  depth: n % 12,
})
