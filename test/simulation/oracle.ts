import { type AttemptCause, type AttemptEnd, stopsTask } from '../../src/domain/job/causes.ts'
import { type JobState, type JobTrigger, jobTable } from '../../src/domain/job/states.ts'
import { type TaskState, taskHasEnded } from '../../src/domain/task/states.ts'
import { type WorkflowState, workflowHasEnded } from '../../src/domain/workflow/states.ts'
import { budgetOf } from '../../src/policy/retry/decide.ts'
import { type Db, sql } from '../../src/store/db.ts'
import { brokenInvariants } from '../support/invariants.ts'
import type { Model, ModelJob, ModelTask, ModelWorkflow } from './model.ts'
import { failureOf, textOf } from './payload.ts'
import type { Referee } from './referee.ts'

type JobRow = {
  id: number
  taskId: number
  index: number
  state: JobState
  attempt: number
  unmet: number
  retriedAfter: number | null
}
type TaskRow = { id: number; name: string; state: TaskState; workflowId: number; jobs: number }
type AttemptRow = {
  jobId: number
  attempt: number
  ending: AttemptEnd
  pilotId: number
  endedAt: Date
  cause: AttemptCause | null
  error: string | null
}
type ResultRow = { jobId: number; value: string | null; cause: AttemptCause | null }
type WorkflowRow = {
  id: number
  name: string
  state: WorkflowState
  tasksTotal: number
  tasksEnded: number
  tasksFailed: number
  finished: number
  failed: number
  cancelled: number
  active: number
}
type MoveRow = { noun: string; id: number; from: string | null; to: string; trigger: string }

/** What must hold between any two steps. A line for each thing that does not. */
export const brokenNow = async (db: Db): Promise<string[]> => [
  ...(await brokenInvariants(db)),
  ...(await heldByTheGone(db)).map((h) => `j${h.jobId} is held by p${h.pilotId}, which is gone: nobody watches it`),
]

const heldByTheGone = (db: Db) =>
  db.rows<{ jobId: number; pilotId: number }>(
    sql`select h.job_id as "jobId", h.pilot_id as "pilotId" from held h join pilot p on p.id = h.pilot_id where p.state = 'gone'`,
  )

/** What is still under way: nothing, once a seed has drained. */
export const leftOver = async (db: Db): Promise<string[]> => {
  const jobs = await db.rows<{ id: number; state: string }>(
    sql`select id, state from job where state not in ('finished', 'failed', 'cancelled', 'closed') order by id limit 20`,
  )
  const tasks = await db.rows<{ id: number; state: string }>(
    sql`select id, state from task where state not in ('done', 'finished', 'failed', 'exhausted', 'broken', 'aborted') order by id limit 20`,
  )
  const workflows = await db.rows<{ id: number; state: string }>(
    sql`select id, state from workflow where state not in ('done', 'finished', 'failed', 'cancelled', 'expired') order by id limit 20`,
  )
  const retries = await db.rows<{ id: number }>(sql`select distinct workflow_id as id from retry order by 1 limit 20`)
  const families = await db.rows<{ id: number }>(sql`select parent_id as id from family order by 1 limit 20`)
  const sweeps = await db.rows<{ id: number }>(sql`select distinct workflow_id as id from sweep order by 1 limit 20`)
  const deltas = await db.row<{ n: number }>(sql`select count(*)::int as n from (select from task_delta limit 1) d`)
  return [
    ...jobs.map((j) => `j${j.id} is still ${j.state}`),
    ...tasks.map((t) => `t${t.id} is still ${t.state}`),
    ...workflows.map((w) => `w${w.id} is still ${w.state}`),
    ...retries.map((w) => `w${w.id} is still to be retried`),
    ...families.map((j) => `children of j${j.id} are still to be told`),
    ...sweeps.map((w) => `w${w.id} is still to be gone through`),
    ...(deltas!.n > 0 ? ['there are deltas that nobody folded'] : []),
  ]
}

/** Judges a seed that has drained: the database against what was asked for, and what happened at the pilots. */
export const judge = async (db: Db, model: Model, referee: Referee): Promise<string[]> => {
  const tasks = await db.rows<TaskRow>(
    sql`select id, name, state, workflow_id as "workflowId", jobs from task order by id`,
  )
  const jobs = await db.rows<JobRow>(
    sql`select id, task_id as "taskId", index, state, attempt, unmet, retried_after as "retriedAfter" from job order by id`,
  )
  const results = await db.rows<ResultRow>(sql`select job_id as "jobId", value, cause from result`)
  const attempts = await db.rows<AttemptRow>(sql`
    select job_id as "jobId", attempt, ending, pilot_id as "pilotId", ended_at as "endedAt", cause, error from attempt order by job_id, attempt`)
  const judge = new Judge(model, referee, tasks, jobs, results, attempts)
  return [
    ...judge.conservation(),
    ...judge.jobs(),
    ...judge.tasks(),
    ...judge.workflows(await workflowRows(db)),
    ...(await brokenHistory(db)),
    ...(await leftBehind(db)),
  ]
}

const workflowRows = (db: Db) =>
  db.rows<WorkflowRow>(sql`
    select w.id, w.name, w.state, c.tasks_total as "tasksTotal", c.tasks_ended as "tasksEnded", c.tasks_failed as "tasksFailed", c.finished, c.failed, c.cancelled,
           c.pending + c.activated + c.sent + c.starting + c.running + c.awaiting + c.holding + c.transferring + c.merging as active
    from workflow w join workflow_count c on c.workflow_id = w.id order by w.id`)

class Judge {
  readonly #model: Model
  readonly #referee: Referee
  readonly #tasks: TaskRow[]
  readonly #jobs: JobRow[]
  readonly #taskByName: Map<string, TaskRow>
  readonly #rowOf = new Map<ModelJob, JobRow>()
  readonly #results: Map<number, ResultRow>
  readonly #attempts = new Map<number, AttemptRow[]>()

  constructor(
    model: Model,
    referee: Referee,
    tasks: TaskRow[],
    jobs: JobRow[],
    results: ResultRow[],
    attempts: AttemptRow[],
  ) {
    this.#model = model
    this.#referee = referee
    this.#tasks = tasks
    this.#jobs = jobs
    this.#taskByName = new Map(tasks.map((task) => [task.name, task]))
    this.#results = new Map(results.map((r) => [r.jobId, r]))
    for (const attempt of attempts)
      this.#attempts.set(attempt.jobId, [...(this.#attempts.get(attempt.jobId) ?? []), attempt])
    const names = new Map(tasks.map((task) => [task.id, task.name]))
    for (const job of jobs) {
      const known = model.job(names.get(job.taskId)!, job.index)
      if (known) this.#rowOf.set(known, job)
    }
  }

  /** Every job that was taken is there once, and none beside them. */
  conservation(): string[] {
    const broken: string[] = []
    for (const task of this.#model.tasks.values()) {
      const row = this.#taskByName.get(task.name)
      // A call may have been lost with the attempt that made it.
      if (!row && !task.caller) broken.push(`${task.id} (${task.name}) was accepted, and is not there`)
      for (const job of row ? task.jobs : [])
        if (!this.#rowOf.has(job)) broken.push(`${job.id} (${task.name}.${job.index}) was accepted, and is not there`)
    }
    if (this.#taskByName.size !== this.#tasks.length) broken.push('a task is there twice')
    for (const task of this.#tasks)
      if (!this.#model.tasks.has(task.name)) broken.push(`t${task.id} (${task.name}) comes from nowhere`)
    if (this.#rowOf.size !== this.#jobs.length)
      broken.push(`${this.#jobs.length - this.#rowOf.size} jobs come from nowhere`)
    return broken
  }

  jobs(): string[] {
    return [...this.#rowOf].flatMap(([job, row]) => [...this.#brokenEnd(job, row), ...this.#brokenAttempts(job, row)])
  }

  /** Whether the job ended as it must, by its nature, its parents, its attempts and who cancelled it. */
  #brokenEnd(job: ModelJob, row: JobRow): string[] {
    const result = this.#results.get(row.id)
    const attempts = this.#attempts.get(row.id) ?? []
    const last = attempts.at(-1)
    const name = `j${row.id}`
    if (!result) return [`${name} is ${row.state} and has no result`]
    if (row.retriedAfter !== null && !job.task.workflow.retried) return [`${name} was retried, and nobody asked for it`]
    const parentsFinished = this.#parentsFinished(job)
    if (!parentsFinished && row.state !== 'cancelled')
      return [`${name} is ${row.state}, and not all it needed has finished`]
    switch (row.state) {
      case 'finished': {
        if (last?.ending !== 'finished') return [`${name} finished, and its last attempt is ${last?.ending}`]
        if (result.value !== textOf(job.nature, last.attempt))
          return [`${name} has the value ${result.value}, and ought to have ${textOf(job.nature, last.attempt)}`]
        return []
      }
      case 'failed': {
        const budget = last?.cause ? budgetOf[last.cause] : null
        if (!last || !budget) return [`${name} failed without a cause`]
        const spent = attempts.filter((a) => isOfRound(a, row) && isCounted(a) && budgetOf[a.cause!] === budget).length
        if (result.cause !== last.cause) return [`${name} failed by ${last.cause}, and says by ${result.cause}`]
        return spent === job.task.attempts[budget]
          ? []
          : [`${name} failed by ${last.cause} after ${spent} of ${job.task.attempts[budget]} attempts`]
      }
      case 'cancelled':
        if (result.cause === 'parent')
          return parentsFinished && !this.#wasCancelled(job)
            ? [`${name} was cancelled for its parents, and they finished`]
            : []
        return this.#wasCancelled(job) ? [] : [`${name} was cancelled (${result.cause}), and nobody asked for it`]
      default:
        return [`${name} is ${row.state}`]
    }
  }

  #parentsFinished(job: ModelJob): boolean {
    return (
      job.parents.every((parent) => this.#rowOf.get(parent)?.state === 'finished') &&
      job.task.parents.every((parent) => this.#taskByName.get(parent.name)?.state === 'done')
    )
  }

  #wasCancelled({ cancelAsked, task }: ModelJob): boolean {
    return Boolean(cancelAsked || task.cancel || task.workflow.cancel || task.workflow.end || this.#wasStopped(task))
  }

  /** Whether a job of it failed as all others would. It may have been retried since, and then cancelled. */
  #wasStopped(task: ModelTask): boolean {
    if (task.workflow.retried && task.jobs.some(({ nature }) => nature.fails && stopsTask(nature.fails.cause)))
      return true
    return task.jobs.some((job) => {
      const row = this.#rowOf.get(job)
      const cause = row?.state === 'failed' ? this.#results.get(row.id)?.cause : undefined
      return cause ? stopsTask(cause) : false
    })
  }

  /** Whether each attempt ended as its pilot knows it, or was taken from it with right. */
  #brokenAttempts(job: ModelJob, row: JobRow): string[] {
    const attempts = this.#attempts.get(row.id) ?? []
    const broken: string[] = []
    if (attempts.length !== row.attempt || attempts.some((a, i) => a.attempt !== i + 1))
      broken.push(
        `j${row.id} has had ${row.attempt} attempts, and ${attempts.map((a) => a.attempt).join(' ')} have ended`,
      )
    const spent = { user: 0, site: 0, lost: 0 }
    for (const a of attempts) {
      const why = this.#brokenAttempt(job, row, a)
      if (why) broken.push(`j${row.id}:${a.attempt} ${why}`)
      const budget = isOfRound(a, row) && isCounted(a) ? budgetOf[a.cause!] : null
      if (budget && ++spent[budget] === job.task.attempts[budget] && a !== attempts.at(-1))
        broken.push(`j${row.id}:${a.attempt} was the last that ${budget} errors allow, and it ran again`)
    }
    broken.push(...this.#brokenMemory(row, attempts))
    if (attempts.filter((a) => a.ending === 'finished').length > 1) broken.push(`j${row.id} was registered twice`)
    if (attempts.slice(0, -1).some((a) => a.ending === 'finished'))
      broken.push(`j${row.id} had finished, and ran again`)
    return broken
  }

  /** Who had too little memory has twice as much the next time, and nobody else has more. (No pilot of a plan is so small that it has not.) */
  #brokenMemory(row: JobRow, attempts: AttemptRow[]): string[] {
    return attempts.slice(1).flatMap((a, i) => {
      const earlier = attempts[i]!
      const [before, given] = [earlier, a].map(({ attempt }) => this.#referee.memoryOf(`j${row.id}`, attempt))
      if (!before || !given) return []
      const isGrown = given === 2 * before
      const hadTooLittle = earlier.ending === 'failed' && earlier.cause === 'memory'
      // The last of a round was not to run again; what a person retried starts as it was.
      const mayBeSame = !hadTooLittle || !isOfRound(earlier, row)
      if ((hadTooLittle && isGrown) || (mayBeSame && given === before)) return []
      return [`j${row.id}:${a.attempt} had ${given} MB, and ${before} before`]
    })
  }

  #brokenAttempt(job: ModelJob, row: JobRow, a: AttemptRow): string | undefined {
    const id = `j${row.id}`
    const fails = failureOf(job.nature, a.attempt)
    if (this.#referee.wasReported(id, a.attempt, 'deferred')) return this.#brokenDeferred(job, row, a)
    switch (a.ending) {
      case 'finished':
        if (!this.#referee.wasReported(id, a.attempt, 'finished'))
          return 'is registered as finished, and no pilot said so'
        return fails ? `finished, and by its nature it fails (${fails})` : undefined
      case 'failed':
        return this.#referee.wasReported(id, a.attempt, `failed:${a.cause}`)
          ? undefined
          : `is registered as failed (${a.cause}), and no pilot said so`
      case 'cancelled':
        if (!this.#wasCancelled(job)) return 'was cancelled, and nobody asked for it'
        return this.#referee.wasReported(id, a.attempt, 'cancelled')
          ? undefined
          : 'was cancelled, and its pilot did not say so'
      case 'lost':
        return this.#referee.wasHeard(
          a.pilotId,
          a.endedAt.getTime(),
          a.error?.includes('started anew') ? 0 : patienceMs,
        )
          ? `was taken from p${a.pilotId}, which was living (${a.error})`
          : undefined
      case 'returned':
        // What a pilot took and forgot by a crash is lost; it is not as if it had never had it.
        return a.error?.includes('does not know it') && this.#referee.wasTaken(id, a.attempt)
          ? `was taken from p${a.pilotId}, which knew it well`
          : undefined
    }
  }

  /** One that its pilot left to the outside: what was taken there counts, or its time was over, or it was cancelled; a loss only before its pilot was heard. */
  #brokenDeferred(job: ModelJob, row: JobRow, a: AttemptRow): string | undefined {
    const posted = this.#referee.postOf(`j${row.id}`, a.attempt)
    switch (a.ending) {
      case 'finished':
        return posted?.says === 'value' ? undefined : 'is registered as finished, and nobody posted a value'
      case 'failed':
        if (a.cause !== 'user') return `was left to the outside, and failed (${a.cause})`
        if (a.error?.includes('CallbackTimeout'))
          return posted?.isTaken ? 'ran out of time, and its value was there' : undefined
        return posted?.says === 'error' ? undefined : 'failed, and nobody posted an error'
      case 'cancelled':
        return this.#wasCancelled(job) ? undefined : 'was cancelled, and nobody asked for it'
      default:
        return undefined
    }
  }

  tasks(): string[] {
    return [...this.#model.tasks.values()].flatMap((task) => {
      const row = this.#taskByName.get(task.name)
      return row ? this.#brokenTask(task, row) : []
    })
  }

  #brokenTask(task: ModelTask, row: TaskRow): string[] {
    if (!taskHasEnded(row.state)) return [`t${row.id} is ${row.state}`]
    const mayAbort = task.cancel || task.workflow.cancel || task.workflow.end
    if (row.state === 'aborted') return mayAbort ? [] : [`t${row.id} is aborted, and nobody asked for it`]
    if (task.cancel === 'accepted' && !task.workflow.retried) return [`t${row.id} was cancelled, and is ${row.state}`]
    const states = task.jobs.map((job) => this.#rowOf.get(job)?.state)
    const finished = states.filter((state) => state === 'finished').length
    const expected = finished === states.length ? 'done' : finished > 0 ? 'finished' : 'failed'
    return row.state === expected
      ? []
      : [`t${row.id} is ${row.state}, and ought to be ${expected} (${finished}/${states.length})`]
  }

  workflows(rows: WorkflowRow[]): string[] {
    const byName = new Map(rows.map((row) => [row.name, row]))
    if (byName.size !== rows.length || rows.length !== this.#model.workflows.length)
      return [`${rows.length} workflows are there, and ${this.#model.workflows.length} were made`]
    return this.#model.workflows.flatMap((workflow) => {
      const row = byName.get(workflow.name)
      if (!row) return [`${workflow.name} is not there`]
      return [...this.#brokenWorkflow(workflow, row), ...this.#brokenCounts(row)]
    })
  }

  #brokenWorkflow(workflow: ModelWorkflow, row: WorkflowRow): string[] {
    if (!workflowHasEnded(row.state)) return [`w${row.id} is ${row.state}`]
    if (row.state === 'cancelled') return workflow.cancel ? [] : [`w${row.id} is cancelled, and nobody asked for it`]
    if (workflow.cancel === 'accepted' && !workflow.retried) return [`w${row.id} was cancelled, and is ${row.state}`]
    if (workflow.kind === 'function')
      return row.state === workflow.end ? [] : [`w${row.id} is ${row.state}, and its driver said ${workflow.end}`]
    const tasks = this.#tasks.filter((task) => task.workflowId === row.id)
    const failed = tasks.filter((task) => task.state !== 'done').length
    const ids = new Set(tasks.map((task) => task.id))
    const anyFinished = this.#jobs.some((job) => ids.has(job.taskId) && job.state === 'finished')
    const expected = failed === 0 ? 'done' : anyFinished ? 'finished' : 'failed'
    return row.state === expected
      ? []
      : [`w${row.id} is ${row.state}, and ought to be ${expected} (${failed} tasks not done)`]
  }

  #brokenCounts(row: WorkflowRow): string[] {
    const tasks = this.#tasks.filter((task) => task.workflowId === row.id)
    const ids = new Set(tasks.map((task) => task.id))
    const jobs = this.#jobs.filter((job) => ids.has(job.taskId))
    const count = (state: JobState) => jobs.filter((job) => job.state === state).length
    const failed = tasks.filter((task) => task.state !== 'done').length
    const there = [tasks.length, tasks.length, failed, count('finished'), count('failed'), count('cancelled'), 0].join(
      ' ',
    )
    const counted = [
      row.tasksTotal,
      row.tasksEnded,
      row.tasksFailed,
      row.finished,
      row.failed,
      row.cancelled,
      row.active,
    ].join(' ')
    return there === counted ? [] : [`w${row.id} counts ${counted}, and has ${there}`]
  }
}

/** Between the last that was heard of a pilot and the loss of its first job, at the least, ms: 50 s are the least that a task here asks for; it renews each 15 s. */
const patienceMs = 30_000

/** Since its job was retried last, which is what its budget is charged with. */
const isOfRound = ({ attempt }: AttemptRow, { retriedAfter }: JobRow): boolean => attempt > (retriedAfter ?? 0)

const isCounted = ({ ending, cause }: AttemptRow): boolean =>
  (ending === 'failed' || ending === 'lost') && cause !== null

/** The history of each thing is one unbroken chain from where it began to where it is, and each of a job's moves is one that its table knows. */
const brokenHistory = async (db: Db): Promise<string[]> => {
  const rows = await db.rows<MoveRow>(
    sql`select noun, id, from_state as "from", to_state as "to", trigger from history where noun <> 'pilot' order by seq`,
  )
  const at = new Map<string, string>()
  const broken: string[] = []
  for (const { noun, id, from, to, trigger } of rows) {
    const key = `${noun[0]}${id}`
    const before = at.get(key)
    if (before === undefined && !beginnings[noun]!.includes(from ?? ''))
      broken.push(`${key} has first moved from ${from} to ${to} (${trigger}), and that is no beginning`)
    if (before !== undefined && before !== from)
      broken.push(`${key} was ${before}, and then moved from ${from} to ${to} (${trigger})`)
    if (noun === 'job' && jobTable[from as JobState]?.[trigger as JobTrigger] !== to)
      broken.push(`${key} moved from ${from} to ${to} by ${trigger}, which the table does not know`)
    at.set(key, to)
  }
  for (const { key, state } of await statesNow(db))
    if (at.has(key) && at.get(key) !== state)
      broken.push(`${key} is ${state}, and its history ends with ${at.get(key)}`)
  return broken
}

/** The states in which things are made. */
const beginnings: Record<string, string[]> = {
  job: ['pending', 'activated'],
  task: ['registered'],
  workflow: ['registered'],
}

const statesNow = (db: Db) =>
  db.rows<{ key: string; state: string }>(sql`
    select 'j' || id as key, state from job union all select 't' || id, state from task union all select 'w' || id, state from workflow order by 1`)

/** What an ended job leaves behind: nothing that says a pilot has it or that it is to run again. (A `ready` row is dropped by the next claim.) */
const leftBehind = async (db: Db): Promise<string[]> => {
  const held = await db.rows<{ id: number }>(sql`select job_id as id from held order by job_id limit 10`)
  const timers = await db.rows<{ kind: string; id: number }>(sql`select kind, id from timer order by kind, id limit 10`)
  const deferred = await db.rows<{ id: number }>(sql`select job_id as id from deferred order by job_id limit 10`)
  return [
    ...held.map((h) => `j${h.id} has ended, and is held`),
    ...deferred.map((d) => `j${d.id} has ended, and waits for a callback`),
    ...timers.map((t) => `there is a timer ${t.kind} for ${t.kind === 'driver' ? 'w' : 'j'}${t.id}, and all has ended`),
  ]
}
