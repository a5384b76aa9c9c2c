import { EventEmitter, once } from 'node:events'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { Value } from '../../contract/base.ts'
import { checkpointText, type Manifest, manifestText } from '../../contract/blobs.ts'
import { fault, problemOf } from '../../contract/faults.ts'
import type { Claim, ClaimedJob, ClaimedTask, ClaimReply, RenewalReply, Report } from '../../contract/pilots.ts'
import { type Route, routes } from '../../contract/routes.ts'
import type { Payload } from '../../contract/tasks.ts'
import type { ToldCourse, ToldMetric, ToldProgress } from '../../contract/told.ts'
import { sha256 } from '../../lib/digest.ts'

type JobId = `j${number}`
type ToldWords = { metrics: ToldMetric[]; progress: ToldProgress[]; courses: ToldCourse[] }
type Job = { job: ClaimedJob; task: ClaimedTask; state: 'ready' | 'held' | 'awaiting' | 'woken' | 'ended' }
export type Submission = Partial<Omit<ClaimedTask, 'taskId' | 'payload' | 'common'>> & {
  payload: Payload
  common?: unknown[] | Value
  args?: unknown[] | Value
  /** Files that an earlier attempt has kept. */
  kept?: Record<string, string>
}

/** How long tests wait for what the pilot does, ms. */
const usualPatienceMs = 15_000

/**
 * The pilot's side of the API, kept in memory: what a pilot sees of a server, with the contract's own schemas at the door. It can be away, lose an answer
 * after having committed it, and forget or replace the pilot.
 */
export class FakeServer {
  readonly reports: Report[] = []
  readonly claims: Claim[] = []
  readonly renewals: { epoch: number; held: string; list?: { jobId: string; attempt: number }[] }[] = []
  readonly blobs = new Map<string, Buffer>()
  /** How often each blob was fetched. */
  readonly fetched = new Map<string, number>()
  /** What one stream of an attempt has said so far. */
  readonly output = new Map<string, string>()
  /** What jobs said of themselves. */
  readonly told: ToldWords = { metrics: [], progress: [], courses: [] }
  left = 0
  epoch = 0
  renewSeconds = 15
  patienceMs = usualPatienceMs
  /** The next answers to claims with jobs in them are lost on the way, so many times. */
  loseAnswers = 0
  /** Answers the next renewal with this. */
  drop: { jobId: JobId; attempt: number }[] = []
  knowsPilot = true
  readonly #changed = new EventEmitter().setMaxListeners(0)
  readonly #jobs = new Map<string, Job>()
  readonly #answers = new Map<string, ClaimReply>()
  readonly #cancels = new Set<JobId>()
  #app: FastifyInstance | null = null
  #port = 0
  #last = 0

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<this> {
    this.#app = this.#serve()
    await this.#app.listen({ host: '127.0.0.1', port: this.#port })
    this.#port = (this.#app.server.address() as { port: number }).port
    return this
  }

  /** Is away from now on, connections cut, until `start`. */
  async stop(): Promise<void> {
    const app = this.#app
    this.#app = null
    this.#changed.emit('change')
    app?.server.closeAllConnections()
    await app?.close()
  }

  submit({ payload, common, args, kept, ...rest }: Submission): JobId {
    const n = ++this.#last
    const taskId = `t${n}` as const
    const jobId = `j${n}` as const
    const task = {
      taskId,
      name: 'test',
      ownerId: 'u1',
      workflowId: 'w1' as const,
      cores: 1,
      memoryMb: null,
      gpus: 0,
      wallSeconds: null,
    }
    const again = kept ? { attempt: 2, checkpoint: this.checkpoint(kept) } : { attempt: 1 }
    const job = { jobId, taskId, index: 0, ...again, args: valueFrom(args ?? []), token: `token-of-${jobId}` }
    this.#jobs.set(jobId, {
      job,
      task: { ...task, ...rest, payload, common: common ? valueFrom(common) : null },
      state: 'ready',
    })
    this.#changed.emit('change')
    return jobId
  }

  cancel(jobId: JobId): void {
    this.#cancels.add(jobId)
    this.#changed.emit('change')
  }

  store(content: string | Buffer): string {
    const bytes = Buffer.from(content)
    const hash = sha256(bytes)
    this.blobs.set(hash, bytes)
    return hash
  }

  /** Stores sources; gives the hash of their bundle. Paths are not looked at. */
  bundle(files: Record<string, string>, language: Manifest['language'] = 'node'): string {
    return this.store(manifestText({ version: 1, language, files: this.#storeAll(files) }))
  }

  checkpoint(files: Record<string, string>): string {
    return this.store(checkpointText({ version: 1, files: this.#storeAll(files) }))
  }

  #storeAll(files: Record<string, string>): Manifest['files'] {
    return Object.entries(files).map(([path, text]) => ({
      path,
      hash: this.store(text),
      bytes: Buffer.byteLength(text),
    }))
  }

  /** Waits until `find` finds something; fails after a deadline, saying what was awaited. */
  async until<T>(what: string, find: () => T | undefined | null | false): Promise<T> {
    const deadline = AbortSignal.timeout(this.patienceMs)
    for (;;) {
      const found = find()
      if (found) return found
      await once(this.#changed, 'change', { signal: deadline }).catch(() => {
        throw new Error(`${what} did not come; reports: ${JSON.stringify(this.reports)}`)
      })
    }
  }

  /** The report of this kind of a job. */
  reported(jobId: JobId, ...whats: Report['what'][]): Promise<Report> {
    return this.until(`${whats} of ${jobId}`, () =>
      this.reports.find((r) => r.jobId === jobId && whats.includes(r.what)),
    )
  }

  /** The report of a job's end. */
  ended(jobId: JobId): Promise<Report> {
    return this.reported(jobId, 'finished', 'failed', 'cancelled', 'returned')
  }

  /** Waits until a job has said so on this stream. */
  said(jobId: JobId, stream: 'stdout' | 'stderr', text: string): Promise<true> {
    return this.until(`"${text}" of ${jobId}`, () => this.output.get(`${jobId}:${stream}`)?.includes(text) as true)
  }

  #serve(): FastifyInstance {
    const app = Fastify({ forceCloseConnections: true, bodyLimit: 32_000_000 })
    app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    )
    app.setErrorHandler((error, _request, reply) => {
      const problem = problemOf(error)
      return reply
        .code(problem.status)
        .send(problem.code === 'internal' ? { ...problem, detail: String(error) } : problem)
    })
    const on = (
      name: keyof typeof routes,
      handle: (body: never, params: Record<string, string>, reply: FastifyReply) => unknown,
    ) => {
      const { method, path: url, body, status = 200 } = routes[name] as Route
      app.route({
        method,
        url,
        handler: async (request, reply) => {
          reply.code(status)
          return handle(
            (body ? body.parse(request.body) : request.body) as never,
            request.params as Record<string, string>,
            reply,
          )
        },
      })
    }
    on('registerPilot', () => {
      this.knowsPilot = true
      this.epoch++
      this.#changed.emit('change')
      return { pilotId: 'p1', epoch: this.epoch, renewSeconds: this.renewSeconds, suspectSeconds: 45 }
    })
    on('claim', (body: Claim, _params, reply) => this.#claim(body, reply))
    on('report', (body: { epoch: number; reports: Report[] }) => this.#report(body))
    on('renew', (body: (typeof this.renewals)[number]) => this.#renew(body))
    on('sendLogs', (body: { chunks: { jobId: string; stream: string; offset: number; text: string }[] }) =>
      this.#logs(body.chunks),
    )
    on('sendTold', ({ metrics, progress, courses }: ToldWords) => {
      this.told.metrics.push(...metrics)
      this.told.progress.push(...progress)
      this.told.courses.push(...courses)
      this.#changed.emit('change')
      return { kept: metrics.length + progress.length + courses.length }
    })
    on('leavePilot', () => {
      this.left++
      this.#changed.emit('change')
      return { returned: 0 }
    })
    on('createBlob', ({ hash }: { hash: string }) => ({
      present: this.blobs.has(hash),
      url: this.blobs.has(hash) ? null : `/v1/content/${hash}?signature=s`,
    }))
    on('getBlob', (_body, { hash }) => {
      if (!this.blobs.has(hash!)) throw fault('blob_unknown')
      return { bytes: this.blobs.get(hash!)!.length, url: `/v1/content/${hash}?signature=s` }
    })
    on('putContent', (body: Buffer, { hash }) => {
      this.blobs.set(hash!, body)
    })
    on('getContent', (_body, { hash }, reply) => {
      this.fetched.set(hash!, (this.fetched.get(hash!) ?? 0) + 1)
      return reply.type('application/octet-stream').send(this.blobs.get(hash!))
    })
    return app
  }

  #checkEpoch(epoch: number): void {
    if (!this.knowsPilot) throw fault('pilot_unknown')
    if (epoch !== this.epoch) throw fault('pilot_replaced')
  }

  async #claim(claim: Claim, reply: FastifyReply): Promise<ClaimReply | undefined> {
    this.#checkEpoch(claim.epoch)
    this.claims.push(claim)
    this.#changed.emit('change')
    const key = `${claim.epoch}:${claim.claimSeq}`
    const deadline = AbortSignal.timeout(claim.waitSeconds * 1000)
    reply.raw.on('close', () => this.#changed.emit('change'))
    for (;;) {
      if (!this.#app || reply.raw.destroyed) return undefined
      const known = this.#answers.get(key)
      const answer = known ?? this.#answerOf(claim)
      if (answer.jobs.length + answer.resumed.length > 0) this.#answers.set(key, answer)
      if (answer.jobs.length > 0 && this.loseAnswers > 0) {
        this.loseAnswers--
        reply.hijack()
        reply.raw.destroy()
        return undefined
      }
      const isEmpty = answer.jobs.length + answer.resumed.length + answer.cancel.length === 0
      if (!isEmpty || deadline.aborted) return answer
      await once(this.#changed, 'change', { signal: deadline }).catch(() => {})
    }
  }

  #answerOf({ claimSeq, cores, gpus = 0, jobs: count }: Claim): ClaimReply {
    const all = [...this.#jobs.values()]
    const resumed = all.filter(({ state }) => state === 'woken').slice(0, cores)
    const jobs: Job[] = []
    let free = cores - resumed.length
    let freeGpus = gpus
    for (const job of all) {
      if (job.state !== 'ready' || jobs.length === count || job.task.cores > free || job.task.gpus > freeGpus) continue
      free -= job.task.cores
      freeGpus -= job.task.gpus
      jobs.push(job)
    }
    for (const job of [...resumed, ...jobs]) job.state = 'held'
    const cancel = all.filter(
      ({ job, state }) => state !== 'ended' && state !== 'ready' && this.#cancels.has(job.jobId as JobId),
    )
    return {
      claimSeq,
      jobs: jobs.map(({ job }) => job),
      tasks: [...new Set(jobs.map(({ task }) => task))],
      resumed: resumed.map(({ job: { jobId, attempt } }) => ({ jobId, attempt })),
      cancel: cancel.map(({ job: { jobId, attempt } }) => ({ jobId, attempt })),
    }
  }

  #report({ epoch, reports }: { epoch: number; reports: Report[] }) {
    this.#checkEpoch(epoch)
    const answers = reports.map((report) => {
      this.reports.push(report)
      const job = this.#jobs.get(report.jobId)
      if (!job) return { jobId: report.jobId, answer: 'unknown', state: null }
      if (job.state === 'ended') return { jobId: report.jobId, answer: 'stale', state: 'finished' }
      if (report.what === 'awaiting' || report.what === 'woken') job.state = report.what
      else if (report.what !== 'running' && report.what !== 'starting') job.state = 'ended'
      return { jobId: report.jobId, answer: 'moved', state: 'running' }
    })
    this.#changed.emit('change')
    return { answers }
  }

  #renew(renewal: (typeof this.renewals)[number]): RenewalReply {
    this.#checkEpoch(renewal.epoch)
    this.renewals.push(renewal)
    this.#changed.emit('change')
    const drop = renewal.list ? this.drop : []
    return {
      leaseUntil: new Date().toISOString(),
      matches: renewal.list !== undefined || this.drop.length === 0,
      cancel: [],
      drop,
    }
  }

  #logs(chunks: { jobId: string; stream: string; offset: number; text: string }[]) {
    for (const { jobId, stream, offset, text } of chunks) {
      const key = `${jobId}:${stream}`
      const before = this.output.get(key) ?? ''
      if (offset === Buffer.byteLength(before)) this.output.set(key, before + text)
      else if (offset > Buffer.byteLength(before)) throw new Error(`a gap in ${key} before ${offset}`)
    }
    this.#changed.emit('change')
    return { kept: chunks.length }
  }
}

const valueFrom = (given: unknown[] | Value): Value =>
  Array.isArray(given) ? { text: JSON.stringify({ a: given }) } : given
