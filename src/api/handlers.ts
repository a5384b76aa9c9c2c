import type { IncomingMessage } from 'node:http'
import type { BodyOf, ParamsOf, QueryOf, ReplyOf, RouteName } from '../contract/routes.ts'
import { messageOf } from '../lib/fault.ts'
import { type Noun, readId } from '../lib/ids.ts'
import { readTraceparent } from '../lib/trace.ts'
import type { Principal, User } from '../services/access/authenticate.ts'
import * as people from '../services/access/people.ts'
import * as secrets from '../services/access/secrets.ts'
import * as tokens from '../services/access/tokens.ts'
import * as blobs from '../services/blobs.ts'
import type { Engine } from '../services/engine/engine.ts'
import * as explain from '../services/explain.ts'
import { createCallback, postToCallback, readCallback } from '../services/jobs/callbacks.ts'
import { keepCheckpoint } from '../services/pilots/checkpoints.ts'
import { claimJobs } from '../services/pilots/claimJobs.ts'
import { keepLogs, readLog } from '../services/pilots/logs.ts'
import * as pilots from '../services/pilots/pilots.ts'
import { reportJobs } from '../services/pilots/reportJobs.ts'
import { jobResources, keepTold, readMetrics, taskMetrics } from '../services/pilots/told.ts'
import { traceWaits } from '../services/pilots/traceWaits.ts'
import { checkReady } from '../services/ready.ts'
import { cancelJob, cancelTask } from '../services/steer/cancel.ts'
import { labelTask, labelWorkflow } from '../services/steer/labels.ts'
import { retryJob, retryTask, retryWorkflow } from '../services/steer/retry.ts'
import * as steer from '../services/steer/steer.ts'
import { addJobs } from '../services/submit/addJobs.ts'
import { submitTask } from '../services/submit/submitTask.ts'
import { workflowGraph } from '../services/views/graph.ts'
import * as jobs from '../services/views/jobs.ts'
import { sharedOverview } from '../services/views/overview.ts'
import { readAfter } from '../services/views/pages.ts'
import * as places from '../services/views/places.ts'
import { search } from '../services/views/search.ts'
import * as settings from '../services/views/settings.ts'
import * as tasks from '../services/views/tasks.ts'
import * as troubles from '../services/views/troubles.ts'
import * as workflows from '../services/views/workflows.ts'
import { keepRecord, readJournal } from '../services/workflows/journal.ts'
import {
  cancelWorkflow,
  closeWorkflow,
  createWorkflow,
  endWorkflow,
  renewDriver,
} from '../services/workflows/workflows.ts'

/** One request, as a handler sees it: everything validated, the caller known. */
export type Ask<N extends RouteName> = {
  engine: Engine
  principal: Principal
  params: ParamsOf<N>
  query: QueryOf<N>
  body: BodyOf<N>
  /** The body as it came, for routes that keep what they are sent as it was written. */
  text: string
  version: string
  /** Aborted when the caller has gone. */
  signal: AbortSignal
  raw: IncomingMessage
}

/** Not answered here, but by what is given the request itself: streams, bytes, tables, cookies. */
type Apart =
  | 'streamWorkflow'
  | 'streamExperiment'
  | 'putContent'
  | 'getContent'
  | 'usage'
  | 'metrics'
  | 'createSession'
  | 'getSession'
  | 'endSession'

export type Handlers = { [N in Exclude<RouteName, Apart>]: (ask: Ask<N>) => Promise<ReplyOf<N>> }

const num = (noun: Noun, { id }: { id: string }): number => readId(noun, id)!

const retriedByPerson = 'retried by a person'

/** What each route does: one line each, since all doing is in the services. */
export const handlers: Handlers = {
  me: async ({ principal: p, version }) => ({
    kind: p.kind,
    name: p.kind === 'user' ? p.name : p.kind === 'pilot' ? p.queue : `j${p.jobId}`,
    experiment: p.kind === 'user' ? p.experiment : '',
    groups: p.kind === 'user' ? p.teams.map((t) => t.name) : [],
    roles: p.kind === 'user' ? rolesOf(p) : [],
    manages: p.kind === 'user' ? p.teams.filter((t) => t.role === 'manager').map((t) => t.name) : [],
    serverVersion: version,
  }),

  createWorkflow: (ask) => createTraced(ask),
  listWorkflows: ({ engine, principal, query }) => workflows.listWorkflows(engine, principal, query),
  getWorkflow: ({ engine, principal, params }) => workflows.getWorkflow(engine, principal, num('w', params)),
  renewDriver: ({ engine, principal, params, body }) => renewDriver(engine, principal, num('w', params), body.epoch),
  closeWorkflow: ({ engine, principal, params }) => closeWorkflow(engine, principal, num('w', params)),
  endWorkflow: ({ engine, principal, params, body }) => endWorkflow(engine, principal, num('w', params), body),
  cancelWorkflow: ({ engine, principal, params, query, body }) =>
    cancelWorkflow(engine, principal, num('w', params), body.why ?? 'cancelled by a person', query.preview),
  retryWorkflow: ({ engine, principal, params, query, body }) =>
    retryWorkflow(engine, principal, num('w', params), body.why ?? retriedByPerson, query.preview),
  pauseWorkflow: ({ engine, principal, params, query, body }) =>
    steer.pauseWorkflow(engine, principal, num('w', params), { ...body, ...query }),
  resumeWorkflow: ({ engine, principal, params, query, body }) =>
    steer.resumeWorkflow(engine, principal, num('w', params), { ...body, ...query }),
  prioritiseWorkflow: ({ engine, principal, params, query, body }) =>
    steer.prioritiseWorkflow(engine, principal, num('w', params), body.priority, { ...body, ...query }),
  finishWorkflow: ({ engine, principal, params, query, body }) =>
    steer.finishWorkflow(engine, principal, num('w', params), { ...body, ...query }),
  labelWorkflow: ({ engine, principal, params, body }) => labelWorkflow(engine, principal, num('w', params), body),
  explainWorkflow: ({ engine, principal, params }) => explain.explainWorkflow(engine, principal, num('w', params)),
  readJournal: ({ engine, principal, params, query }) => readJournal(engine, principal, num('w', params), query),
  keepRecord: ({ engine, principal, params, body }) => keepRecord(engine, principal, num('w', params), body),
  workflowHistory: ({ engine, principal, params, query }) =>
    workflows.workflowHistory(engine, principal, num('w', params), query),
  workflowGraph: ({ engine, principal, params }) => workflowGraph(engine, principal, num('w', params)),
  workflowSettings: ({ engine, principal, params }) => settings.workflowSettings(engine, principal, num('w', params)),

  submitTask: (ask) => submitTraced(ask),
  listTasks: ({ engine, principal, query }) => tasks.listTasks(engine, principal, query),
  getTask: ({ engine, principal, params }) => tasks.getTask(engine, principal, num('t', params)),
  taskSettings: ({ engine, principal, params }) => settings.taskSettings(engine, principal, num('t', params)),
  addJobs: async ({ engine, principal, params, body }) => {
    const made = await addJobs(engine, principal, num('t', params), body)
    if (!made.known) engine.metrics.jobsSubmitted.add(made.jobs)
    return made
  },
  listJobs: ({ engine, principal, params, query }) => tasks.listJobs(engine, principal, num('t', params), query),
  listOutcomes: ({ engine, principal, params, query }) =>
    tasks.listOutcomes(engine, principal, num('t', params), query),
  taskMetrics: ({ engine, principal, params, query }) => taskMetrics(engine, principal, num('t', params), query),
  taskCurve: ({ engine, principal, params }) => tasks.taskCurve(engine, principal, num('t', params)),
  taskSpread: ({ engine, principal, params }) => tasks.taskSpread(engine, principal, num('t', params)),
  taskTroubles: ({ engine, principal, params }) => troubles.taskTroubles(engine, principal, num('t', params)),
  cancelTask: ({ engine, principal, params, query, body }) =>
    cancelTask(engine, principal, num('t', params), body.why ?? 'cancelled by a person', query.preview),
  retryTask: ({ engine, principal, params, query, body }) =>
    retryTask(engine, principal, num('t', params), body.why ?? retriedByPerson, query.preview),
  pauseTask: ({ engine, principal, params, query, body }) =>
    steer.pauseTask(engine, principal, num('t', params), { ...body, ...query }),
  resumeTask: ({ engine, principal, params, query, body }) =>
    steer.resumeTask(engine, principal, num('t', params), { ...body, ...query }),
  prioritiseTask: ({ engine, principal, params, query, body }) =>
    steer.prioritiseTask(engine, principal, num('t', params), body.priority, { ...body, ...query }),
  finishTask: ({ engine, principal, params, query, body }) =>
    steer.finishTask(engine, principal, num('t', params), { ...body, ...query }),
  labelTask: ({ engine, principal, params, body }) => labelTask(engine, principal, num('t', params), body),
  explainTask: ({ engine, principal, params }) => explain.explainTask(engine, principal, num('t', params)),

  getJob: ({ engine, principal, params }) => jobs.getJob(engine, principal, num('j', params)),
  cancelJob: ({ engine, principal, params, query, body }) =>
    cancelJob(engine, principal, num('j', params), body.why ?? 'cancelled by a person', query.preview),
  retryJob: ({ engine, principal, params, query, body }) =>
    retryJob(engine, principal, num('j', params), body.why ?? retriedByPerson, query.preview),
  jobHistory: ({ engine, principal, params, query }) => jobs.jobHistory(engine, principal, num('j', params), query),
  jobSettings: ({ engine, principal, params }) => settings.jobSettings(engine, principal, num('j', params)),
  explainJob: ({ engine, principal, params }) => explain.explainJob(engine, principal, num('j', params)),
  jobLog: ({ engine, principal, params, query, signal }) =>
    readLog(
      engine,
      principal,
      num('j', params),
      {
        after: readLogPlace(query.after),
        last: query.last ?? null,
        attempt: query.attempt ?? null,
        waitSeconds: query.waitSeconds,
      },
      signal,
    ),
  jobMetrics: ({ engine, principal, params, query, signal }) =>
    readMetrics(engine, principal, num('j', params), query, signal),
  jobResources: ({ engine, principal, params }) => jobResources(engine, principal, num('j', params)),
  keepCheckpoint: ({ engine, principal, params, body }) => keepCheckpoint(engine, principal, num('j', params), body),

  search: ({ engine, principal, query }) => search(engine, principal, query.q),
  overview: ({ engine, principal }) => sharedOverview(engine, principal),

  createCallback: ({ engine, principal, params, body }) =>
    createCallback(engine, principal, num('j', params), body.seconds),
  postToCallback: async ({ engine, params, query, body, text }) =>
    postToCallback(engine, readCallback(engine, num('j', params), query), body, text),

  createBlob: ({ engine, principal, body }) => blobs.createBlob(engine, principal, body),
  getBlob: ({ engine, principal, params, query }) => blobs.getBlob(engine, principal, params.hash, query.workflowId),
  createBundle: ({ engine, principal, body }) => blobs.createBundle(engine, principal, body),

  registerPilot: ({ engine, principal, body }) => pilots.registerPilot(engine, principal, body),
  claim: async ({ engine, principal, params, body, signal }) => {
    const reply = await claimJobs(engine, principal, num('p', params), body, signal)
    if (reply.jobs.length > 0) engine.metrics.jobsClaimed.add(reply.jobs.length)
    traceWaits(engine, reply)
    return reply
  },
  report: async ({ engine, principal, params, body }) => {
    const reply = await reportJobs(engine, principal, num('p', params), body.epoch, body.reports)
    countReports(engine, body.reports, reply.answers)
    return reply
  },
  renew: ({ engine, principal, params, body }) => pilots.renewPilot(engine, principal, num('p', params), body),
  sendLogs: ({ engine, principal, params, body }) =>
    keepLogs(engine, principal, num('p', params), body.epoch, body.chunks),
  sendTold: ({ engine, principal, params, body }) => keepTold(engine, principal, num('p', params), body),
  leavePilot: ({ engine, principal, params, body }) =>
    pilots.leavePilot(engine, principal, num('p', params), body.epoch),
  listPilots: ({ engine, query }) => places.listPilots(engine, query),
  listQueues: ({ engine }) => places.listQueues(engine),
  createQueue: ({ engine, principal, body }) => people.createQueue(engine, principal, body),
  setQueueEnvironment: ({ engine, principal, params, body }) =>
    people.setEnvironment(engine, principal, params.name, body),

  listTroubles: ({ engine, principal, query }) => troubles.listTroubles(engine, principal, query),
  getTrouble: ({ engine, principal, params, query }) => troubles.getTrouble(engine, principal, num('e', params), query),

  listExperiments: ({ engine, principal }) => people.listExperiments(engine, principal),
  createExperiment: ({ engine, principal, body }) => people.createExperiment(engine, principal, body.name),
  listUsers: ({ engine, principal }) => people.listUsers(engine, principal),
  addUser: ({ engine, principal, body }) => people.addUser(engine, principal, body),
  listTokens: ({ engine, principal }) => tokens.listTokens(engine, principal),
  createToken: ({ engine, principal, body }) => tokens.createToken(engine, principal, body),
  revokeToken: ({ engine, principal, params }) => tokens.revokeToken(engine, principal, params.id),

  listSecrets: ({ engine, principal }) => secrets.listSecrets(engine, principal),
  setSecret: ({ engine, principal, body }) => secrets.setSecret(engine, principal, body),
  removeSecret: ({ engine, principal, params }) => secrets.removeSecret(engine, principal, params.name),
  rotateSecrets: ({ engine, principal }) => secrets.rotateSecrets(engine, principal),

  health: async ({ version }) => ({ ok: true, version }),
  ready: async ({ engine }) => ({ ok: true, checks: await checkReady(engine) }),
}

const createTraced = (ask: Ask<'createWorkflow'>): Promise<ReplyOf<'createWorkflow'>> => {
  const { engine, principal, body } = ask
  if (!body.task) return createWorkflow(engine, principal, body)
  return traced(ask, { task: body.task.name, jobs: 1 }, (trace) => createWorkflow(engine, principal, body, trace))
}

const submitTraced = (ask: Ask<'submitTask'>): Promise<ReplyOf<'submitTask'>> => {
  const { engine, principal, body } = ask
  return traced(ask, { task: body.name, jobs: body.jobs.length }, (trace) => submitTask(engine, principal, body, trace))
}

/** The trace of whoever submits goes on with the task. */
const traced = async <Made extends { known: boolean }>(
  { engine, raw }: Pick<Ask<'submitTask'>, 'engine' | 'raw'>,
  { task, jobs }: { task: string; jobs: number },
  submit: (trace: string | null) => Promise<Made>,
): Promise<Made> => {
  const { traceparent } = raw.headers
  const parent = readTraceparent(traceparent) ? (traceparent as string) : null
  const span = engine.tracer.start('culm.submit', {
    parent,
    kind: 'producer',
    attributes: { 'culm.task.name': task, 'culm.jobs': jobs },
  })
  try {
    const made = await submit(span.traceparent)
    span.end()
    if (!made.known) {
      engine.metrics.tasksSubmitted.add(1)
      engine.metrics.jobsSubmitted.add(jobs)
    }
    return made
  } catch (error) {
    span.end({ error: messageOf(error) })
    throw error
  }
}

/** Counted by kind, so that a report of thousands costs a few additions. */
const countReports = (
  { metrics }: Engine,
  reports: readonly { what: string }[],
  answers: readonly { answer: string }[],
): void => {
  const counts = new Map<string, Map<string, number>>()
  for (const [i, { what }] of reports.entries()) {
    const { answer } = answers[i]!
    const ofWhat = counts.get(what) ?? new Map<string, number>()
    counts.set(what, ofWhat.set(answer, (ofWhat.get(answer) ?? 0) + 1))
  }
  for (const [what, ofWhat] of counts) for (const [answer, n] of ofWhat) metrics.reports.add(n, what, answer)
}

const readLogPlace = (after: string | undefined): number =>
  after === undefined || !/^\d{1,15}$/.test(after) ? readAfter(after, 0) : Number(after)

const rolesOf = ({ admin, operator }: User): string[] => [
  ...(admin ? ['admin'] : []),
  ...(operator ? ['operator'] : []),
]
