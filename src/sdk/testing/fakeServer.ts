import { type ChildProcess, fork } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Fastify, { type FastifyReply } from 'fastify'
import type { z } from 'zod'
import { type Manifest, manifestText } from '../../contract/blobs.ts'
import { faultOf, problemOf } from '../../contract/faults.ts'
import type { Outcome } from '../../contract/jobs.ts'
import { type BodyOf, type ParamsOf, type QueryOf, type Route, type RouteName, routes } from '../../contract/routes.ts'
import type { NewJob, NewTask } from '../../contract/tasks.ts'
import { sha256 } from '../../lib/digest.ts'
import { Fault } from '../../lib/fault.ts'

const runnerFile = fileURLToPath(new URL('./fakeRunner.mjs', import.meta.url))

type FakeTask = NewTask & {
  taskId: `t${number}`
  scope: string
  closed: boolean
  outcomes: Outcome[]
  firstJobId: number
}
type FakeJob = { jobId: `j${number}`; index: number; task: FakeTask; argsText: string }
export type Ended = { text: string } | { error: { type: string; message: string; stack?: string } }

type Asked<N extends RouteName> = {
  params: ParamsOf<N>
  query: QueryOf<N>
  body: BodyOf<N>
  headers: IncomingHttpHeaders
}

export type FakeServerOptions = {
  /** Runs a job; in a process of its own from the bundle that was uploaded when left out. */
  run?: (job: FakeJob) => Promise<Ended>
  /** How many jobs run at once; those that await calls of their own do not count. */
  slots?: number
  /** Holds an answer back: what was asked for has happened, and the asker does not know. */
  hold?: (name: RouteName) => Promise<void> | undefined
  /** A stream that is opened again tells only what happens from then on. */
  forgets?: boolean
}

/**
 * Speaks the routes that the SDK uses, with everything in memory, and notes what it was asked. Bodies are checked
 * with the schemas of the contract. Not a model of the real server: it is there to lose connections and to hold
 * answers back at will, which the real one does not do on request.
 */
export const startFakeServer = async ({ run, slots = 2, hold, forgets }: FakeServerOptions = {}) => {
  const app = Fastify({ bodyLimit: 32e6, forceCloseConnections: true })
  const asked: { name: RouteName; body: unknown; key: string | undefined; token: string | undefined }[] = []
  const contents = new Map<string, Buffer>()
  const manifests = new Map<string, Manifest>()
  const tasks = new Map<string, FakeTask>()
  const calls = new Map<string, FakeTask>()
  const streams = new Set<{ scope: string; reply: ServerResponse }>()
  const told: { id: number; scope: string; data: Outcome }[] = []
  const workflows = new Map<string, { state: string; ended?: unknown }>()
  const runs: { jobId: string; export: string }[] = []
  const waits: string[] = []
  let ids = 0
  let free = slots
  const queue: (() => void)[] = []
  const runners = new Set<ChildProcess>()
  /** Warm runners by bundle. */
  const idle = new Map<string, ChildProcess[]>()
  const place = await mkdtemp(join(tmpdir(), 'culm-fake-'))
  // Bundles lie behind a symbolic link, as they do in many a home folder.
  const folder = join(place, 'link')
  await mkdir(join(place, 'real'))
  await symlink(join(place, 'real'), folder)

  const takeSlot = async () => {
    if (free === 0) return new Promise<void>((resolve) => queue.push(resolve))
    free--
  }
  const giveSlot = () => {
    const next = queue.shift()
    if (next) next()
    else free++
  }

  const send = (reply: ServerResponse, event: (typeof told)[number]) =>
    reply.write(`id: ${event.id}\nevent: outcomes\ndata: ${JSON.stringify([event.data])}\n\n`)

  const tell = (task: FakeTask, outcome: Outcome) => {
    task.outcomes.push(outcome)
    const event = { id: told.length + 1, scope: task.scope, data: outcome }
    told.push(event)
    for (const { scope, reply } of streams) if (scope === task.scope) send(reply, event)
  }

  const runJob = async (job: FakeJob) => {
    await takeSlot()
    const { jobId, index, task } = job
    if (task.payload.kind === 'function') runs.push({ jobId, export: task.payload.export })
    const ended = await (run ?? runInProcess)(job).catch(
      (error): Ended => ({ error: { type: 'Error', message: error.message } }),
    )
    giveSlot()
    const common = { jobId, taskId: task.taskId, index, attempt: 1 }
    if ('text' in ended) tell(task, { ...common, state: 'finished', value: await stored(ended.text) })
    else tell(task, { ...common, state: 'failed', cause: 'user', error: ended.error })
  }

  const stored = async (text: string) => {
    if (text.length <= 1_000_000) return { text }
    contents.set(sha256(text), Buffer.from(text))
    return { blob: sha256(text), bytes: text.length }
  }

  /** Once per bundle: a file that is written again is empty for a moment, and a runner may import it just then. */
  const unpacked = new Map<string, Promise<string>>()
  const unpack = (hash: string): Promise<string> => {
    const coming = unpacked.get(hash) ?? writeFiles(hash)
    unpacked.set(hash, coming)
    return coming
  }

  const writeFiles = async (hash: string): Promise<string> => {
    const place = join(folder, hash)
    for (const file of manifests.get(hash)?.files ?? []) {
      await mkdir(dirname(join(place, file.path)), { recursive: true })
      await writeFile(join(place, file.path), contents.get(file.hash)!)
    }
    return place
  }

  const runInProcess = async ({ jobId, index, task, argsText }: FakeJob): Promise<Ended> => {
    if (task.payload.kind !== 'function') throw new Error('commands are not run here')
    const { bundle, module, export: name } = task.payload
    const bundleFolder = await unpack(bundle)
    const job = {
      jobId,
      taskId: task.taskId,
      workflowId: task.workflowId,
      index,
      attempt: 1,
      token: `token-of-${jobId}`,
    }
    const common = task.common && 'text' in task.common ? JSON.parse(task.common.text).a : []
    const args = [...common, ...JSON.parse(argsText).a]
    const runner = idle.get(bundle)?.pop() ?? fork(runnerFile, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    runners.add(runner)
    runner.send({ job, bundleFolder, bundle, module, name, args, serverUrl: url() })
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the runner left with ${code}`))
      const onMessage = async (message: { t: string } & Ended) => {
        if (message.t === 'awaiting') {
          waits.push(jobId)
          giveSlot()
        } else if (message.t === 'woken') {
          await takeSlot()
          runner.send({ t: 'resumed' })
        } else {
          runner.off('exit', onExit).off('message', onMessage)
          idle.set(bundle, [...(idle.get(bundle) ?? []), runner])
          resolve(message)
        }
      }
      runner.on('exit', onExit).on('message', onMessage)
    })
  }

  const addJobs = (task: FakeTask, jobs: NewJob[], from: number) =>
    jobs.forEach((job, i) => {
      const argsText = 'text' in job.args ? job.args.text : contents.get(job.args.blob)!.toString()
      void runJob({ jobId: `j${task.firstJobId + from + i}`, index: from + i, task, argsText })
    })

  const cancelTask = (task: FakeTask): number => {
    const ended = new Set(task.outcomes.map(({ index }) => index))
    const open = task.jobs.map((_, index) => index).filter((index) => !ended.has(index))
    for (const index of open)
      tell(task, {
        jobId: `j${task.firstJobId + index}`,
        taskId: task.taskId,
        index,
        attempt: 1,
        state: 'cancelled',
        cause: 'cancelled',
      })
    return open.length
  }

  const newTask = (body: NewTask, scope: string): FakeTask => {
    const made = { taskId: `t${++ids}` as const, scope, closed: !body.open, outcomes: [], firstJobId: ids + 1 }
    const task: FakeTask = { ...body, ...made }
    ids += 100_000
    tasks.set(task.taskId, task)
    addJobs(task, body.jobs, 0)
    return task
  }

  const handlers: { [N in RouteName]?: (request: Asked<N>, reply: FastifyReply) => unknown } = {
    createWorkflow: ({ body }) => {
      const workflowId = `w${++ids}`
      workflows.set(workflowId, { state: 'running', ...body })
      const started = { workflowId, epoch: 1, renewSeconds: 1, known: false, state: 'running', value: null, job: null }
      if (!body.task) return started
      const { args, ...rest } = body.task
      const task = newTask({ ...rest, workflowId: workflowId as `w${number}`, jobs: [{ args }], open: false }, 'driver')
      return { ...started, epoch: 0, job: { taskId: task.taskId, jobId: `j${task.firstJobId}` } }
    },
    renewDriver: ({ params }) => ({ state: workflows.get(params.id)!.state }),
    closeWorkflow: () => ({}),
    explainWorkflow: ({ params }) => ({ subject: params.id }),
    explainTask: ({ params }) => ({ subject: params.id }),
    explainJob: ({ params }) => ({ subject: params.id }),
    cancelWorkflow: ({ params }) => {
      for (const task of tasks.values()) if (task.workflowId === params.id) cancelTask(task)
      return { cancelled: 1, asked: 0 }
    },
    cancelJob: () => ({ cancelled: 0, asked: 1 }),
    retryWorkflow: () => ({ retried: 2 }),
    retryTask: () => ({ retried: 1 }),
    listTasks: ({ query }) =>
      query.after ? { items: [{ id: 't1' }], next: null } : { items: [{ id: 't3' }, { id: 't2' }], next: 't2' },
    endWorkflow: ({ params, body }) => {
      workflows.set(params.id, { ...workflows.get(params.id), state: body.state, ended: body })
      return {}
    },
    submitTask: ({ body, headers }) => {
      const scope = /^Bearer token-of-(j\d+)$/.exec(headers.authorization ?? '')?.[1] ?? 'driver'
      const known = calls.get(`${body.workflowId} ${scope} ${body.call?.key}`)
      if (known)
        return { taskId: known.taskId, firstJobId: `j${known.firstJobId}`, jobs: known.jobs.length, known: true }
      const task = newTask(body, scope)
      calls.set(`${body.workflowId} ${scope} ${body.call?.key}`, task)
      return { taskId: task.taskId, firstJobId: `j${task.firstJobId}`, jobs: body.jobs.length, known: false }
    },
    addJobs: ({ params, body }) => {
      const task = tasks.get(params.id)!
      if (task.closed) throw new Fault('task_closed', 'closed')
      if (body.firstIndex !== task.jobs.length)
        throw new Fault('invalid_input', `expected the part from ${task.jobs.length}`)
      task.jobs.push(...body.jobs)
      task.closed = body.close
      addJobs(task, body.jobs, body.firstIndex)
      return { taskId: task.taskId, firstJobId: null, jobs: body.jobs.length, known: false }
    },
    listOutcomes: ({ params }) => ({ items: tasks.get(params.id)!.outcomes, next: null }),
    cancelTask: ({ params }) => ({ cancelled: cancelTask(tasks.get(params.id)!), asked: 0 }),
    createBlob: ({ body }) => ({ present: contents.has(body.hash), url: `/v1/content/${body.hash}?sig=x` }),
    getBlob: ({ params }) => ({ bytes: contents.get(params.hash)!.length, url: `/v1/content/${params.hash}?sig=x` }),
    createBundle: ({ body }) => {
      const missing = body.files.filter((file: { hash: string }) => !contents.has(file.hash))
      const bundle = sha256(manifestText(body))
      if (missing.length === 0) manifests.set(bundle, body)
      return {
        bundle,
        missing: missing.map(({ hash }: { hash: string }) => ({ hash, url: `/v1/content/${hash}?sig=x` })),
      }
    },
    putContent: ({ params, body }, reply) => {
      const bytes = body as unknown as Buffer
      if (sha256(bytes) !== params.hash) throw new Fault('blob_mismatch', 'not the bytes')
      contents.set(params.hash, bytes)
      return reply.code(204).send()
    },
    getContent: ({ params }) => contents.get(params.hash),
    streamWorkflow: ({ query, headers }, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
      reply.raw.write(': here\n\n')
      const stream = { scope: query.scope, reply: reply.raw }
      if (headers['last-event-id'] && !forgets)
        for (const event of told.slice(Number(headers['last-event-id'])))
          if (event.scope === query.scope) send(reply.raw, event)
      streams.add(stream)
      reply.raw.once('close', () => streams.delete(stream))
    },
  }

  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.setErrorHandler((error, _request, reply) => {
    const known =
      error instanceof Fault ? error : faultOf({ code: 'internal', detail: String((error as Error).message) })
    const problem = problemOf(known)
    return reply.code(problem.status).send({ ...problem, detail: known.message })
  })
  for (const [name, handler] of Object.entries(handlers) as [
    RouteName,
    (request: unknown, reply: unknown) => unknown,
  ][]) {
    const route: Route = routes[name]
    app.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => {
        const body = route.body ? (route.body as z.ZodType).parse(request.body) : request.body
        asked.push({
          name,
          body,
          key: request.headers['idempotency-key'] as string | undefined,
          token: request.headers.authorization,
        })
        const answer = await handler(
          { params: request.params, query: request.query, headers: request.headers, body },
          reply,
        )
        await hold?.(name)
        return answer
      },
    })
  }
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = () => `http://127.0.0.1:${(app.server.address() as { port: number }).port}`

  return {
    url: url(),
    asked,
    tasks,
    workflows,
    /** Jobs in the order in which they began. */
    runs,
    /** Jobs that gave their slot back, in order. */
    waits,
    streams,
    askedFor: (name: RouteName) => asked.filter((request) => request.name === name),
    /** Cuts all streams, as a proxy or a restart does. */
    cutStreams: () => {
      for (const { reply } of streams) reply.destroy()
    },
    close: async () => {
      for (const runner of runners) runner.disconnect()
      await app.close()
      await Promise.allSettled(unpacked.values())
      await rm(place, { recursive: true, force: true })
    },
  }
}

export type FakeServer = Awaited<ReturnType<typeof startFakeServer>>
