import type { IncomingMessage } from 'node:http'
import type { BodyOf, ParamsOf, QueryOf, ReplyOf, RouteName } from '../contract/routes.ts'
import { type Noun, readId } from '../lib/ids.ts'
import type { Principal } from '../services/authenticate.ts'
import * as blobs from '../services/blobs.ts'
import { cancelJob, cancelTask } from '../services/cancel.ts'
import { claimJobs } from '../services/claimJobs.ts'
import type { Engine } from '../services/engine.ts'
import * as explain from '../services/explain.ts'
import { keepLogs, readLog } from '../services/logs.ts'
import * as pilots from '../services/pilots.ts'
import { checkReady } from '../services/ready.ts'
import { reportJobs } from '../services/reportJobs.ts'
import { addJobs, submitTask } from '../services/submitTask.ts'
import * as jobs from '../services/views/jobs.ts'
import { readAfter } from '../services/views/pages.ts'
import * as places from '../services/views/places.ts'
import * as tasks from '../services/views/tasks.ts'
import * as workflows from '../services/views/workflows.ts'
import { cancelWorkflow, closeWorkflow, createWorkflow, endWorkflow, renewDriver } from '../services/workflows.ts'

/** One request, as a handler sees it: everything validated, the caller known. */
export type Ask<N extends RouteName> = {
  engine: Engine
  principal: Principal
  params: ParamsOf<N>
  query: QueryOf<N>
  body: BodyOf<N>
  version: string
  /** Aborted when the caller has gone. */
  signal: AbortSignal
  raw: IncomingMessage
}

type Streamed = 'streamWorkflow' | 'putContent' | 'getContent'

export type Handlers = { [N in Exclude<RouteName, Streamed>]: (ask: Ask<N>) => Promise<ReplyOf<N>> }

const num = (noun: Noun, { id }: { id: string }): number => readId(noun, id)!

/** What each route does: one line each, since all doing is in the services. */
export const handlers: Handlers = {
  me: async ({ principal: p, version }) => ({
    kind: p.kind,
    name: p.kind === 'user' ? p.name : p.kind === 'pilot' ? p.queue : `j${p.jobId}`,
    experiment: p.kind === 'user' ? p.experiment : '',
    groups: p.kind === 'user' ? p.teams.map((t) => t.name) : [],
    roles: p.kind === 'user' && p.admin ? ['admin'] : [],
    serverVersion: version,
  }),

  createWorkflow: ({ engine, principal, body }) => createWorkflow(engine, principal, body),
  listWorkflows: ({ engine, principal, query }) => workflows.listWorkflows(engine, principal, query),
  getWorkflow: ({ engine, principal, params }) => workflows.getWorkflow(engine, principal, num('w', params)),
  renewDriver: ({ engine, principal, params, body }) => renewDriver(engine, principal, num('w', params), body.epoch),
  closeWorkflow: ({ engine, principal, params }) => closeWorkflow(engine, principal, num('w', params)),
  endWorkflow: ({ engine, principal, params, body }) => endWorkflow(engine, principal, num('w', params), body),
  cancelWorkflow: ({ engine, principal, params, body }) =>
    cancelWorkflow(engine, principal, num('w', params), body.why ?? 'cancelled by a person'),
  explainWorkflow: ({ engine, principal, params }) => explain.explainWorkflow(engine, principal, num('w', params)),
  workflowHistory: ({ engine, principal, params, query }) =>
    workflows.workflowHistory(engine, principal, num('w', params), query),

  submitTask: ({ engine, principal, body }) => submitTask(engine, principal, body),
  listTasks: ({ engine, principal, query }) => tasks.listTasks(engine, principal, query),
  getTask: ({ engine, principal, params }) => tasks.getTask(engine, principal, num('t', params)),
  addJobs: ({ engine, principal, params, body }) => addJobs(engine, principal, num('t', params), body),
  listJobs: ({ engine, principal, params, query }) => tasks.listJobs(engine, principal, num('t', params), query),
  listOutcomes: ({ engine, principal, params, query }) =>
    tasks.listOutcomes(engine, principal, num('t', params), query),
  cancelTask: ({ engine, principal, params, body }) =>
    cancelTask(engine, principal, num('t', params), body.why ?? 'cancelled by a person'),
  explainTask: ({ engine, principal, params }) => explain.explainTask(engine, principal, num('t', params)),

  getJob: ({ engine, principal, params }) => jobs.getJob(engine, principal, num('j', params)),
  cancelJob: ({ engine, principal, params, body }) =>
    cancelJob(engine, principal, num('j', params), body.why ?? 'cancelled by a person'),
  jobHistory: ({ engine, principal, params, query }) => jobs.jobHistory(engine, principal, num('j', params), query),
  explainJob: ({ engine, principal, params }) => explain.explainJob(engine, principal, num('j', params)),
  jobLog: ({ engine, principal, params, query, signal }) =>
    readLog(
      engine,
      principal,
      num('j', params),
      { after: readLogPlace(query.after), attempt: query.attempt ?? null, waitSeconds: query.waitSeconds },
      signal,
    ),

  createBlob: ({ engine, principal, body }) => blobs.createBlob(engine, principal, body),
  getBlob: ({ engine, principal, params }) => blobs.getBlob(engine, principal, params.hash),
  createBundle: ({ engine, principal, body }) => blobs.createBundle(engine, principal, body),

  registerPilot: ({ engine, principal, body }) => pilots.registerPilot(engine, principal, body),
  claim: ({ engine, principal, params, body, signal }) => claimJobs(engine, principal, num('p', params), body, signal),
  report: ({ engine, principal, params, body }) =>
    reportJobs(engine, principal, num('p', params), body.epoch, body.reports),
  renew: ({ engine, principal, params, body }) => pilots.renewPilot(engine, principal, num('p', params), body),
  sendLogs: ({ engine, principal, params, body }) =>
    keepLogs(engine, principal, num('p', params), body.epoch, body.chunks),
  leavePilot: ({ engine, principal, params, body }) =>
    pilots.leavePilot(engine, principal, num('p', params), body.epoch),
  listPilots: ({ engine, query }) => places.listPilots(engine, query),
  listQueues: ({ engine }) => places.listQueues(engine),

  health: async ({ version }) => ({ ok: true, version }),
  ready: async ({ engine }) => {
    await checkReady(engine)
    return { ok: true }
  },
}

const readLogPlace = (after: string | undefined): number =>
  after === undefined || !/^\d{1,15}$/.test(after) ? readAfter(after, 0) : Number(after)
