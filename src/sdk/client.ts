import { randomUUID } from 'node:crypto'
import type { Client as ContractClient } from '../contract/client.ts'
import { fault } from '../contract/faults.ts'
import type { Explanation, Job, JobLine, LogChunk } from '../contract/jobs.ts'
import type { QueryInputOf } from '../contract/routes.ts'
import type { Task } from '../contract/tasks.ts'
import type { MetricLine, TaskMetric } from '../contract/told.ts'
import type { Workflow as WorkflowRow } from '../contract/workflows.ts'
import { type After, needsOf, type UseOptions } from './definition.ts'
import { currentServer } from './discover.ts'
import { environmentOf } from './environment.ts'
import { currentTrace } from './trace.ts'

export type ClientOptions = {
  /** Where the server is; as `CULM_SERVER`, or the server of this machine, when left out. */
  url?: string
  token?: string | null
}

export type CommandOptions = Omit<UseOptions, 'after'> & {
  after?: readonly After[]
  /** Folder to run in; a fresh one when left out. */
  folder?: string
}

export type SubmittedCommand = { workflowId: string; taskId: string; jobId: string }

/**
 * What a program does with a server beside calling works: submit commands, look, explain, cancel. Ids bear their
 * noun: `w12 t34 j56`.
 */
export class Client {
  readonly #options: ClientOptions
  #connected: Promise<ContractClient> | undefined

  constructor(options: ClientOptions = {}) {
    this.#options = options
  }

  /**
   * Submits a program with its arguments (no shell is involved), as a workflow of its own that ends with it. Returns
   * when the server has it.
   */
  async submit(
    command: readonly string[],
    { after = [], folder, name = command[0], ...needs }: CommandOptions = {},
  ): Promise<SubmittedCommand> {
    if (name === undefined) throw fault('invalid_input', 'a command needs a program: submit([program, …arguments])')
    const api = await this.#api()
    const parents = await Promise.all(
      after.map(async (parent) => (typeof parent === 'string' ? parent : await parent.taskId) as `t${number}`),
    )
    const { workflowId } = await api.call('createWorkflow', { body: { name, kind: 'tasks' }, key: randomUUID() })
    const environment = await environmentOf(needs, process.cwd())
    const payload = { kind: 'command' as const, command: [...command], folder, environment }
    const body = {
      workflowId,
      name,
      payload,
      jobs: [{ args: { text: '{}' } }],
      after: parents.length > 0 ? parents : undefined,
      ...needsOf(needs),
    }
    const { taskId, firstJobId } = await api.call('submitTask', { body, key: randomUUID(), trace: currentTrace() })
    await api.call('closeWorkflow', { params: { id: workflowId }, repeat: true })
    return { workflowId, taskId, jobId: firstJobId! }
  }

  async workflow(id: string): Promise<WorkflowRow> {
    return (await this.#api()).call('getWorkflow', { params: { id: id as `w${number}` } })
  }

  async task(id: string): Promise<Task> {
    return (await this.#api()).call('getTask', { params: { id: id as `t${number}` } })
  }

  async job(id: string): Promise<Job> {
    return (await this.#api()).call('getJob', { params: { id: id as `j${number}` } })
  }

  /** Workflows, newest first. Pages are fetched as they are read. */
  async *workflows(query: Omit<QueryInputOf<'listWorkflows'>, 'after'> = {}): AsyncGenerator<WorkflowRow> {
    const api = await this.#api()
    yield* pages((after) => api.call('listWorkflows', { query: { ...query, after } }))
  }

  /** Tasks, newest first. */
  async *tasks(query: Omit<QueryInputOf<'listTasks'>, 'after'> = {}): AsyncGenerator<Task> {
    const api = await this.#api()
    yield* pages((after) => api.call('listTasks', { query: { ...query, after } }))
  }

  /** Jobs of a task, in order. */
  async *jobs(taskId: string, query: Omit<QueryInputOf<'listJobs'>, 'after'> = {}): AsyncGenerator<JobLine> {
    const api = await this.#api()
    yield* pages((after) =>
      api.call('listJobs', { params: { id: taskId as `t${number}` }, query: { ...query, after } }),
    )
  }

  /** What a job has printed so far. */
  async *log(jobId: string): AsyncGenerator<LogChunk> {
    const api = await this.#api()
    let after: string | undefined
    for (;;) {
      const { items, next } = await api.call('jobLog', { params: { id: jobId as `j${number}` }, query: { after } })
      yield* items
      if (items.length === 0 || next === after) return
      after = next
    }
  }

  /** Metrics that a job has told so far, by name and step. */
  async *metrics(
    jobId: string,
    query: Omit<QueryInputOf<'jobMetrics'>, 'after' | 'waitSeconds'> = {},
  ): AsyncGenerator<MetricLine> {
    const api = await this.#api()
    for (let after: string | undefined; ; ) {
      const params = { id: jobId as `j${number}` }
      const { items, next } = await api.call('jobMetrics', { params, query: { ...query, after } })
      if (items.length === 0) return
      yield* items
      after = next
    }
  }

  /** The last of a metric of each job of a task, in order of their index. */
  async *lastMetrics(taskId: string, name: string): AsyncGenerator<TaskMetric> {
    const api = await this.#api()
    yield* pages((after) => api.call('taskMetrics', { params: { id: taskId as `t${number}` }, query: { name, after } }))
  }

  /** Why a workflow, task or job is as it is. */
  async explain(id: string): Promise<Explanation> {
    const api = await this.#api()
    switch (id[0]) {
      case 'w':
        return api.call('explainWorkflow', { params: { id: id as `w${number}` } })
      case 't':
        return api.call('explainTask', { params: { id: id as `t${number}` } })
      default:
        return api.call('explainJob', { params: { id: id as `j${number}` } })
    }
  }

  /**
   * Cancels a workflow, task or job with all that is under way of it. `asked` counts jobs that end when their pilot
   * confirms.
   */
  async cancel(id: string, why?: string): Promise<{ cancelled: number; asked: number }> {
    const api = await this.#api()
    const body = { why }
    switch (id[0]) {
      case 'w':
        return api.call('cancelWorkflow', { params: { id: id as `w${number}` }, body, repeat: true })
      case 't':
        return api.call('cancelTask', { params: { id: id as `t${number}` }, body, repeat: true })
      default:
        return api.call('cancelJob', { params: { id: id as `j${number}` }, body, repeat: true })
    }
  }

  /**
   * Has what failed or was cancelled of a workflow, task or job run again, and what was cancelled for it. `retried`
   * counts jobs. A call is retried with its caller: a workflow function, when that has ended, or a job.
   */
  async retry(id: string, why?: string): Promise<{ retried: number }> {
    const api = await this.#api()
    const body = { why }
    switch (id[0]) {
      case 'w':
        return api.call('retryWorkflow', { params: { id: id as `w${number}` }, body, repeat: true })
      case 't':
        return api.call('retryTask', { params: { id: id as `t${number}` }, body, repeat: true })
      default:
        return api.call('retryJob', { params: { id: id as `j${number}` }, body, repeat: true })
    }
  }

  /** Closes its connections. A program also ends without. */
  async close(): Promise<void> {
    await (await this.#connected)?.close()
    this.#connected = undefined
  }

  #api(): Promise<ContractClient> {
    this.#connected ??= connect(this.#options)
    return this.#connected
  }
}

const connect = async ({ url, token }: ClientOptions): Promise<ContractClient> => {
  const { makeClient } = await import('../contract/client.ts')
  if (url) return makeClient({ url, token: token ?? null })
  const found = await currentServer()
  return makeClient({ url: found.url, token: token ?? found.token })
}

async function* pages<T>(
  fetch: (after: string | undefined) => Promise<{ items: T[]; next: string | null }>,
): AsyncGenerator<T> {
  let after: string | undefined
  do {
    const { items, next } = await fetch(after)
    yield* items
    after = next ?? undefined
  } while (after)
}
