import { z } from 'zod'
import * as base from './base.ts'
import * as blobs from './blobs.ts'
import * as callbacks from './callbacks.ts'
import { environment } from './environments.ts'
import type { FaultCode } from './faults.ts'
import { experimentNotices } from './frames.ts'
import { graph } from './graph.ts'
import * as jobs from './jobs.ts'
import { notices } from './notices.ts'
import { overview } from './overview.ts'
import * as accounts from './people.ts'
import * as pilots from './pilots.ts'
import * as searches from './search.ts'
import * as secrets from './secrets.ts'
import * as tasks from './tasks.ts'
import * as telling from './told.ts'
import * as troubles from './troubles.ts'
import * as usages from './usage.ts'
import * as workflows from './workflows.ts'

/**
 * Every address of the API in one table. The server mounts it, the OpenAPI document is generated from it, and `client.ts` calls by its names.
 *
 * `who`: which kinds of token may come in (`job` is the payload of one attempt; it may do what its owner may, for its own workflow).
 * `keyed`: takes an `Idempotency-Key` header: the same key and body give the same reply, and one effect.
 */
export type Who = 'nobody' | 'user' | 'pilot' | 'job'

export type Route = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  who: readonly Who[]
  summary: string
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  reply?: z.ZodType
  status?: 200 | 201 | 204
  keyed?: boolean
  /** `sse`: a stream of server-sent events; `bytes`: raw content; `table`: JSON, or CSV when the query asks for that. */
  kind?: 'json' | 'sse' | 'bytes' | 'text' | 'table'
  /** What an `sse` sends, by the name of the event. */
  notices?: Record<string, z.ZodType>
  /** The address itself is the right: it bears a signature. */
  signed?: boolean
  /** The body has at most so many bytes, and what it says is kept as it was written. */
  verbatim?: { maxBytes: number; tooLarge: FaultCode }
}

const people = ['user', 'job'] as const
const noticeKinds = Object.keys(notices)
const w = z.object({ id: base.workflowId })
const t = z.object({ id: base.taskId })
const j = z.object({ id: base.jobId })
const p = z.object({ id: base.pilotId })
const h = z.object({ hash: base.hash })
const e = z.object({ id: base.troubleId })

export const routes = {
  me: {
    method: 'GET',
    path: '/v1/me',
    who: ['user', 'pilot', 'job'],
    summary: 'Who the token is',
    reply: z.object({
      kind: z.enum(['user', 'pilot', 'job']),
      name: z.string(),
      experiment: z.string(),
      groups: z.array(z.string()),
      roles: z.array(z.string()),
      manages: z.array(z.string()).meta({ description: 'Groups whose work he may change' }),
      serverVersion: z.string(),
    }),
  },
  createSession: {
    method: 'POST',
    path: '/v1/session',
    who: ['user'],
    summary:
      'Begin a session of a browser, which bears it as a cookie: it ends with its token, or when it is not used for 12 h',
    reply: accounts.session,
    status: 201,
  },
  getSession: {
    method: 'GET',
    path: '/v1/session',
    who: ['user'],
    summary: 'Whose session it is, and the word that its writing requests need',
    reply: accounts.session,
  },
  endSession: {
    method: 'DELETE',
    path: '/v1/session',
    who: ['user'],
    summary: 'End the session',
    reply: z.object({ ended: z.boolean() }),
  },

  streamExperiment: {
    method: 'GET',
    path: '/v1/stream',
    who: ['user'],
    summary: 'What changes in the experiment, in frames: for who looks at lists',
    kind: 'sse',
    notices: experimentNotices,
  },

  createWorkflow: {
    method: 'POST',
    path: '/v1/workflows',
    who: ['user'],
    summary: 'Start a workflow',
    body: workflows.newWorkflow,
    reply: workflows.startedDriver,
    status: 201,
    keyed: true,
  },
  listWorkflows: {
    method: 'GET',
    path: '/v1/workflows',
    who: people,
    summary: 'Workflows, newest first',
    query: workflows.workflowQuery,
    reply: base.pageOf(workflows.workflow),
  },
  getWorkflow: {
    method: 'GET',
    path: '/v1/workflows/:id',
    who: people,
    summary: 'One workflow',
    params: w,
    reply: workflows.workflow,
  },
  renewDriver: {
    method: 'POST',
    path: '/v1/workflows/:id/renew',
    who: ['user'],
    summary: 'The driver lives',
    params: w,
    body: workflows.driverEpoch,
    reply: z.object({ state: z.string() }),
  },
  closeWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/close',
    who: ['user'],
    summary: 'No more tasks will come: it ends with its last one',
    params: w,
    reply: workflows.workflow,
  },
  endWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/end',
    who: ['user'],
    summary: 'The driver says how it ended',
    params: w,
    body: workflows.endWorkflow,
    reply: workflows.workflow,
  },
  cancelWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/cancel',
    who: ['user'],
    summary: 'Cancel a workflow and all that is under way of it',
    params: w,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.cancelReply,
  },
  retryWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/retry',
    who: ['user'],
    summary: 'What failed or was cancelled of a workflow runs again',
    params: w,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.retryReply,
  },
  pauseWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/pause',
    who: ['user'],
    summary: 'Begin nothing more of a workflow until it is resumed; what runs may end',
    params: w,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.steerReply,
  },
  resumeWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/resume',
    who: ['user'],
    summary: 'A workflow that was paused goes on',
    params: w,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.steerReply,
  },
  prioritiseWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/priority',
    who: ['user'],
    summary: 'Change the priority of a workflow: of each of its tasks',
    params: w,
    query: workflows.actionQuery,
    body: workflows.priorityBody,
    reply: workflows.steerReply,
  },
  finishWorkflow: {
    method: 'POST',
    path: '/v1/workflows/:id/finish',
    who: ['user'],
    summary: 'What has not begun of a workflow is cancelled, what runs may end',
    params: w,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.steerReply,
  },
  labelWorkflow: {
    method: 'PATCH',
    path: '/v1/workflows/:id/labels',
    who: people,
    summary: 'Set or remove labels of a workflow; tasks that it has keep theirs',
    params: w,
    body: base.labelChange,
    reply: workflows.workflow,
  },
  readJournal: {
    method: 'GET',
    path: '/v1/workflows/:id/journal',
    who: people,
    summary: 'What a driver or job has asked for so far',
    params: w,
    query: workflows.journalQuery,
    reply: workflows.journalPage,
  },
  keepRecord: {
    method: 'POST',
    path: '/v1/workflows/:id/records',
    who: people,
    summary: 'Record a value under a key, or get the one that was recorded before',
    params: w,
    body: workflows.newRecord,
    reply: workflows.recorded,
    status: 201,
  },
  streamWorkflow: {
    method: 'GET',
    path: '/v1/workflows/:id/stream',
    who: people,
    summary: 'What happens in a workflow, as it happens',
    params: w,
    kind: 'sse',
    notices,
    query: z.object({
      cursor: z
        .string()
        .max(100)
        .optional()
        .meta({ description: 'Resume after this cursor (or by Last-Event-ID); from now on when left out' }),
      kinds: z
        .string()
        .max(100)
        .regex(new RegExp(`^(?:(?:${noticeKinds.join('|')})(?:,|$))*$`))
        .default('outcome,move')
        .meta({ description: `Comma-separated: ${noticeKinds.join(', ')}` }),
      scope: z
        .string()
        .max(20)
        .regex(/^(?:all|driver|j[1-9][0-9]{0,14})$/)
        .default('all')
        .meta({ description: '`all`, `driver` (calls of the driver itself) or the id of a job (its calls)' }),
    }),
  },
  explainWorkflow: {
    method: 'GET',
    path: '/v1/workflows/:id/explain',
    who: people,
    summary: 'Why a workflow is as it is',
    params: w,
    reply: jobs.explanation,
  },
  workflowHistory: {
    method: 'GET',
    path: '/v1/workflows/:id/history',
    who: people,
    summary: 'Moves of the workflow and its tasks',
    params: w,
    query: z.object(base.pageQuery),
    reply: base.pageOf(jobs.move),
  },
  workflowGraph: {
    method: 'GET',
    path: '/v1/workflows/:id/graph',
    who: people,
    summary: 'How the tasks of a workflow hang together, with their numbers, in one reply',
    params: w,
    reply: graph,
  },
  workflowSettings: {
    method: 'GET',
    path: '/v1/workflows/:id/settings',
    who: people,
    summary: 'What holds for tasks of a workflow that say nothing themselves, setting by setting, and who said it',
    params: w,
    reply: tasks.settings,
  },

  submitTask: {
    method: 'POST',
    path: '/v1/tasks',
    who: people,
    summary: 'Submit a task with its jobs',
    body: tasks.newTask,
    reply: tasks.submittedTask,
    status: 201,
    keyed: true,
  },
  listTasks: {
    method: 'GET',
    path: '/v1/tasks',
    who: people,
    summary: 'Tasks, newest first',
    query: tasks.taskQuery,
    reply: base.pageOf(tasks.task),
  },
  getTask: { method: 'GET', path: '/v1/tasks/:id', who: people, summary: 'One task', params: t, reply: tasks.task },
  taskSettings: {
    method: 'GET',
    path: '/v1/tasks/:id/settings',
    who: people,
    summary: 'What holds for a task, setting by setting, and who said it',
    params: t,
    reply: tasks.settings,
  },
  addJobs: {
    method: 'POST',
    path: '/v1/tasks/:id/jobs',
    who: people,
    summary: 'Add jobs to an open task',
    params: t,
    body: tasks.moreJobs,
    reply: tasks.submittedTask,
    status: 201,
  },
  listJobs: {
    method: 'GET',
    path: '/v1/tasks/:id/jobs',
    who: people,
    summary: 'Jobs of a task, in order',
    params: t,
    query: jobs.jobQuery,
    reply: base.pageOf(jobs.jobEntry),
  },
  listOutcomes: {
    method: 'GET',
    path: '/v1/tasks/:id/outcomes',
    who: people,
    summary: 'Ended jobs of a task with their values, in order of their index',
    params: t,
    query: z.object({ ...base.pageQuery, limit: z.int().min(1).max(1000).default(200) }),
    reply: base.pageOf(jobs.outcome),
  },
  taskMetrics: {
    method: 'GET',
    path: '/v1/tasks/:id/metrics',
    who: people,
    summary: 'The last of a metric of each job of a task, in order of their index',
    params: t,
    query: telling.taskMetricQuery,
    reply: base.pageOf(telling.taskMetric),
  },
  taskCurve: {
    method: 'GET',
    path: '/v1/tasks/:id/curve',
    who: people,
    summary: 'How a task went: its jobs by state over time, at most some two hundred moments',
    params: t,
    reply: tasks.taskCurve,
  },
  taskSpread: {
    method: 'GET',
    path: '/v1/tasks/:id/spread',
    who: people,
    summary: 'How long the jobs of a task took and how much they used, as histograms of those that have ended',
    params: t,
    reply: tasks.taskSpread,
  },
  taskTroubles: {
    method: 'GET',
    path: '/v1/tasks/:id/troubles',
    who: people,
    summary: 'What went wrong in a task: its failures by kind, the most frequent first',
    params: t,
    reply: troubles.taskTroubles,
  },
  cancelTask: {
    method: 'POST',
    path: '/v1/tasks/:id/cancel',
    who: people,
    summary: 'Cancel a task',
    params: t,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.cancelReply,
  },
  retryTask: {
    method: 'POST',
    path: '/v1/tasks/:id/retry',
    who: people,
    summary: 'What failed or was cancelled of a task runs again',
    params: t,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.retryReply,
  },
  pauseTask: {
    method: 'POST',
    path: '/v1/tasks/:id/pause',
    who: ['user'],
    summary: 'Begin nothing more of a task until it is resumed; what runs may end',
    params: t,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.steerReply,
  },
  resumeTask: {
    method: 'POST',
    path: '/v1/tasks/:id/resume',
    who: ['user'],
    summary: 'A task that was paused goes on',
    params: t,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.steerReply,
  },
  prioritiseTask: {
    method: 'POST',
    path: '/v1/tasks/:id/priority',
    who: ['user'],
    summary: 'Change the priority of a task',
    params: t,
    query: workflows.actionQuery,
    body: workflows.priorityBody,
    reply: workflows.steerReply,
  },
  finishTask: {
    method: 'POST',
    path: '/v1/tasks/:id/finish',
    who: ['user'],
    summary: 'What has not begun of a task is cancelled, what runs may end',
    params: t,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.steerReply,
  },
  labelTask: {
    method: 'PATCH',
    path: '/v1/tasks/:id/labels',
    who: people,
    summary: 'Set or remove labels of a task',
    params: t,
    body: base.labelChange,
    reply: tasks.task,
  },
  explainTask: {
    method: 'GET',
    path: '/v1/tasks/:id/explain',
    who: people,
    summary: 'Why a task is as it is',
    params: t,
    reply: jobs.explanation,
  },

  getJob: {
    method: 'GET',
    path: '/v1/jobs/:id',
    who: people,
    summary: 'One job with its attempts',
    params: j,
    reply: jobs.job,
  },
  cancelJob: {
    method: 'POST',
    path: '/v1/jobs/:id/cancel',
    who: people,
    summary: 'Cancel a job',
    params: j,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.cancelReply,
  },
  retryJob: {
    method: 'POST',
    path: '/v1/jobs/:id/retry',
    who: people,
    summary: 'A job that failed or was cancelled runs again',
    params: j,
    query: workflows.actionQuery,
    body: workflows.reasonBody,
    reply: workflows.retryReply,
  },
  jobHistory: {
    method: 'GET',
    path: '/v1/jobs/:id/history',
    who: people,
    summary: 'Every move of a job',
    params: j,
    query: z.object(base.pageQuery),
    reply: base.pageOf(jobs.move),
  },
  jobSettings: {
    method: 'GET',
    path: '/v1/jobs/:id/settings',
    who: people,
    summary: 'What holds for a job: the settings of its task, and who said them',
    params: j,
    reply: tasks.settings,
  },
  explainJob: {
    method: 'GET',
    path: '/v1/jobs/:id/explain',
    who: people,
    summary: 'Why a job is as it is',
    params: j,
    reply: jobs.explanation,
  },
  jobLog: {
    method: 'GET',
    path: '/v1/jobs/:id/log',
    who: people,
    summary: 'What a job has printed',
    params: j,
    query: z.object({
      after: z.string().max(100).optional(),
      waitSeconds: z.coerce.number().min(0).max(30).default(0).meta({ description: 'Wait so long for more, s' }),
      attempt: base.attempt.optional(),
      last: z.coerce
        .number()
        .int()
        .min(1)
        .max(200)
        .optional()
        .meta({ description: 'Begin with the last so many pieces, and not after `after`' }),
    }),
    reply: jobs.logPage,
  },
  jobMetrics: {
    method: 'GET',
    path: '/v1/jobs/:id/metrics',
    who: people,
    summary: 'Metrics that a job has told, by name and step',
    params: j,
    query: telling.metricQuery,
    reply: telling.metricPage,
  },
  jobResources: {
    method: 'GET',
    path: '/v1/jobs/:id/resources',
    who: people,
    summary: 'Memory and cores of the attempts of a job over time',
    params: j,
    reply: telling.courses,
  },
  keepCheckpoint: {
    method: 'POST',
    path: '/v1/jobs/:id/checkpoint',
    who: ['job'],
    summary: 'Keep files for the next attempt of the job; tells which of them are wanted',
    params: j,
    body: blobs.checkpointManifest,
    reply: blobs.checkpointTicket,
  },

  overview: {
    method: 'GET',
    path: '/v1/overview',
    who: ['user'],
    summary: 'What runs, waits and went wrong in your experiment, and the queues that serve it',
    reply: overview,
  },
  search: {
    method: 'GET',
    path: '/v1/search',
    who: ['user'],
    summary: 'Workflows, tasks, jobs, queues, pilots and users by id, name or label',
    query: searches.searchQuery,
    reply: searches.found,
  },
  usage: {
    method: 'GET',
    path: '/v1/usage',
    who: ['user'],
    summary: 'What your experiment has used: attempts, jobs that ended, wall and CPU time, by groups',
    query: usages.usageQuery,
    reply: usages.usageReport,
    kind: 'table',
  },

  createCallback: {
    method: 'POST',
    path: '/v1/jobs/:id/callback',
    who: ['job'],
    summary: 'Ask for an address to which the value of this attempt may be posted after its payload has ended',
    params: j,
    body: callbacks.newCallback,
    reply: callbacks.callback,
    status: 201,
  },
  postToCallback: {
    method: 'POST',
    path: '/v1/callbacks/:id',
    who: ['nobody'],
    summary: 'Post the value of a job to its signed address, or why there is none',
    params: j,
    query: callbacks.callbackQuery,
    body: callbacks.posted,
    reply: callbacks.postedReply,
    signed: true,
    verbatim: { maxBytes: callbacks.maxPostedBytes, tooLarge: 'callback_too_large' },
  },

  createBlob: {
    method: 'POST',
    path: '/v1/blobs',
    who: ['user', 'pilot', 'job'],
    summary: 'Ask where to store a value or file',
    body: blobs.newBlob,
    reply: blobs.blobTicket,
  },
  getBlob: {
    method: 'GET',
    path: '/v1/blobs/:hash',
    who: ['user', 'pilot', 'job'],
    summary: 'Ask where to read a value or file',
    params: h,
    query: z.object({
      workflowId: base.workflowId
        .optional()
        .meta({ description: 'Whose it is: a pilot says it, of a job that it holds' }),
    }),
    reply: blobs.blobPlace,
  },
  putContent: {
    method: 'PUT',
    path: '/v1/content/:hash',
    who: ['nobody'],
    summary: 'Store bytes at a signed address',
    params: h,
    kind: 'bytes',
    signed: true,
    status: 204,
  },
  getContent: {
    method: 'GET',
    path: '/v1/content/:hash',
    who: ['nobody'],
    summary: 'Read bytes from a signed address',
    params: h,
    kind: 'bytes',
    signed: true,
  },
  createBundle: {
    method: 'POST',
    path: '/v1/bundles',
    who: people,
    summary: 'Announce sources; tells which files are wanted',
    body: blobs.manifest,
    reply: blobs.bundleTicket,
  },

  registerPilot: {
    method: 'POST',
    path: '/v1/pilots',
    who: ['pilot'],
    summary: 'A pilot starts',
    body: pilots.newPilot,
    reply: pilots.registeredPilot,
    status: 201,
  },
  claim: {
    method: 'POST',
    path: '/v1/pilots/:id/claim',
    who: ['pilot'],
    summary: 'Take jobs; held open until there are some',
    params: p,
    body: pilots.claim,
    reply: pilots.claimReply,
  },
  report: {
    method: 'POST',
    path: '/v1/pilots/:id/reports',
    who: ['pilot'],
    summary: 'What happened to jobs',
    params: p,
    body: pilots.reports,
    reply: pilots.reportsReply,
  },
  renew: {
    method: 'POST',
    path: '/v1/pilots/:id/renew',
    who: ['pilot'],
    summary: 'The pilot lives',
    params: p,
    body: pilots.renewal,
    reply: pilots.renewalReply,
  },
  sendLogs: {
    method: 'POST',
    path: '/v1/pilots/:id/logs',
    who: ['pilot'],
    summary: 'What jobs printed',
    params: p,
    body: pilots.logReport,
    reply: z.object({ kept: z.int() }),
  },
  sendTold: {
    method: 'POST',
    path: '/v1/pilots/:id/told',
    who: ['pilot'],
    summary: 'What jobs said of themselves: metrics and progress; and what they used over time',
    params: p,
    body: telling.told,
    reply: z.object({ kept: z.int() }),
  },
  leavePilot: {
    method: 'POST',
    path: '/v1/pilots/:id/leave',
    who: ['pilot'],
    summary: 'The pilot ends; what it still holds is given back',
    params: p,
    body: pilots.leave,
    reply: z.object({ returned: z.int() }),
  },
  listPilots: {
    method: 'GET',
    path: '/v1/pilots',
    who: ['user'],
    summary: 'Pilots, last seen first',
    query: z.object(base.pageQuery),
    reply: base.pageOf(pilots.pilot),
  },
  listQueues: {
    method: 'GET',
    path: '/v1/queues',
    who: people,
    summary: 'Queues',
    reply: z.object({ items: z.array(pilots.queue) }),
  },
  createQueue: {
    method: 'POST',
    path: '/v1/queues',
    who: ['user'],
    summary: 'Make a queue, and its site when there is none of that name (operators)',
    body: accounts.newQueue,
    reply: z.object({ name: z.string(), site: z.string() }),
    status: 201,
  },
  setQueueEnvironment: {
    method: 'POST',
    path: '/v1/queues/:name/environment',
    who: ['user'],
    summary: 'Say where tasks run in a queue, in what they do not say themselves (operators)',
    params: z.object({ name: base.nameInPath }),
    body: environment,
    reply: z.object({ name: z.string(), environment: environment.nullable() }),
  },

  listTroubles: {
    method: 'GET',
    path: '/v1/troubles',
    who: ['user'],
    summary: 'What goes wrong: failures of your experiment by kind, the most frequent of a window first',
    query: troubles.troubleQuery,
    reply: troubles.troubles,
  },
  getTrouble: {
    method: 'GET',
    path: '/v1/troubles/:id',
    who: ['user'],
    summary: 'One kind of failure: when, where, and its jobs',
    params: e,
    query: troubles.troubleWindow,
    reply: troubles.troubleView,
  },

  listExperiments: {
    method: 'GET',
    path: '/v1/experiments',
    who: ['user'],
    summary: 'Your experiment; operators see all',
    reply: z.object({ items: z.array(accounts.experiment) }),
  },
  createExperiment: {
    method: 'POST',
    path: '/v1/experiments',
    who: ['user'],
    summary: 'Make an experiment with a group `users` (operators)',
    body: accounts.newExperiment,
    reply: accounts.experiment,
    status: 201,
  },
  listUsers: {
    method: 'GET',
    path: '/v1/users',
    who: ['user'],
    summary: 'People of your experiment; operators see all',
    reply: z.object({ items: z.array(accounts.user) }),
  },
  addUser: {
    method: 'POST',
    path: '/v1/users',
    who: ['user'],
    summary: 'Add a user, or one who is there to a further group (admins)',
    body: accounts.newUser,
    reply: accounts.user,
    status: 201,
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    who: ['user'],
    summary: 'Your tokens; admins see those of their experiment, operators all',
    reply: z.object({ items: z.array(accounts.token) }),
  },
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    who: ['user'],
    summary: 'Issue a token: for yourself, for another user (admins), for the pilots of a queue (operators)',
    body: accounts.newToken,
    reply: accounts.issuedToken,
    status: 201,
  },
  revokeToken: {
    method: 'POST',
    path: '/v1/tokens/:id/revoke',
    who: ['user'],
    summary: 'Take a token back; it holds for 5 s more at most',
    params: z.object({ id: base.tokenId }),
    reply: accounts.token,
  },

  listSecrets: {
    method: 'GET',
    path: '/v1/secrets',
    who: ['user'],
    summary: 'Names of your secrets; their values cannot be read back',
    reply: z.object({ items: z.array(secrets.secret) }),
  },
  setSecret: {
    method: 'POST',
    path: '/v1/secrets',
    who: ['user'],
    summary: 'Keep a secret for your jobs, or replace it',
    body: secrets.newSecret,
    reply: secrets.secret,
  },
  removeSecret: {
    method: 'DELETE',
    path: '/v1/secrets/:name',
    who: ['user'],
    summary: 'Remove a secret',
    params: z.object({ name: secrets.secretName }),
    reply: z.object({ name: z.string() }),
  },
  rotateSecrets: {
    method: 'POST',
    path: '/v1/secrets/rotate',
    who: ['user'],
    summary: 'Seal all secrets with a new key, or go on where an earlier rotation was interrupted (operators)',
    reply: secrets.rotated,
  },

  health: {
    method: 'GET',
    path: '/healthz',
    who: ['nobody'],
    summary: 'This process lives',
    reply: z.object({ ok: z.boolean(), version: z.string() }),
  },
  ready: {
    method: 'GET',
    path: '/readyz',
    who: ['nobody'],
    summary:
      'This process can serve: the database answers, has the tables of this version, and the storage can be written',
    reply: z.object({
      ok: z.boolean(),
      checks: z.object({ database: z.literal('ok'), migrations: z.literal('ok'), storage: z.literal('ok') }),
    }),
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    who: ['nobody'],
    summary:
      'What this process counts, as Prometheus reads it: for this machine, and for tokens of admins and operators',
    kind: 'text',
  },
} as const satisfies Record<string, Route>

export type RouteName = keyof typeof routes
export type Routes = typeof routes

type Shape<N extends RouteName, K extends 'params' | 'query' | 'body', Side extends 'input' | 'output'> =
  Routes[N] extends Record<K, infer S extends z.ZodType> ? (Side extends 'input' ? z.input<S> : z.output<S>) : undefined

export type ParamsOf<N extends RouteName> = Shape<N, 'params', 'output'>
export type QueryOf<N extends RouteName> = Shape<N, 'query', 'output'>
export type BodyOf<N extends RouteName> = Shape<N, 'body', 'output'>
export type BodyInputOf<N extends RouteName> = Shape<N, 'body', 'input'>
export type QueryInputOf<N extends RouteName> = Shape<N, 'query', 'input'>
export type ReplyOf<N extends RouteName> = Routes[N] extends { reply: infer S extends z.ZodType }
  ? z.output<S>
  : undefined
