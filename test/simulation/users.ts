import type { Outcome } from '../../src/contract/jobs.ts'
import type { NewJob, NewTask, SubmittedTask } from '../../src/contract/tasks.ts'
import { stopsTask } from '../../src/domain/job/causes.ts'
import { type Fault, isFault } from '../../src/lib/fault.ts'
import { Bell } from '../../src/lib/wake.ts'
import type { Principal } from '../../src/services/access/authenticate.ts'
import { withKey } from '../../src/services/access/keyed.ts'
import type { Engine } from '../../src/services/engine/engine.ts'
import { explainJob, explainTask, explainWorkflow } from '../../src/services/explain.ts'
import { cancelJob, cancelTask } from '../../src/services/steer/cancel.ts'
import { retryJob, retryTask, retryWorkflow } from '../../src/services/steer/retry.ts'
import * as steer from '../../src/services/steer/steer.ts'
import { addJobs } from '../../src/services/submit/addJobs.ts'
import { submitTask } from '../../src/services/submit/submitTask.ts'
import { getJob } from '../../src/services/views/jobs.ts'
import { getTask, listOutcomes } from '../../src/services/views/tasks.ts'
import {
  cancelWorkflow,
  closeWorkflow,
  createWorkflow,
  endWorkflow,
  renewDriver,
} from '../../src/services/workflows/workflows.ts'
import type { Chance } from './chance.ts'
import { follow } from './follow.ts'
import { type ModelJob, type ModelTask, type ModelWorkflow, nameJobs } from './model.ts'
import { always, argsOf, jobsIn, type Nature } from './payload.ts'
import { answered, type World } from './world.ts'

/** Somebody who submits workflows until so many jobs are his, and changes his mind about some. */
export class SimulatedUser {
  readonly #world: World
  readonly #chance: Chance
  readonly #name: string
  readonly #principal: Principal
  readonly #caller: { name: string; reachable: () => boolean }
  #jobsLeft: number
  #names = 0
  /** Threads that are not over yet. */
  #busy = 0

  constructor(world: World, { personId, name }: { personId: number; name: string }, jobs: number) {
    this.#world = world
    this.#chance = world.chance.of(name)
    this.#name = name
    this.#caller = { name, reachable: () => true }
    this.#jobsLeft = jobs
    this.#principal = {
      kind: 'user',
      personId,
      name,
      experimentId: 1,
      experiment: 'default',
      admin: false,
      operator: false,
      expiresAt: null,
      teams: [{ id: 1, name: 'users', role: 'member' }],
    }
  }

  get isDone(): boolean {
    return this.#busy === 0
  }

  start(): void {
    // One that is cancelled early hands in no more: of large ones few jobs would be left.
    const size = Math.min(500, Math.max(60, this.#jobsLeft / 8))
    const workflows = Math.ceil(this.#jobsLeft / size)
    const each = Math.ceil(this.#jobsLeft / workflows)
    for (let n = 0; n < workflows; n++)
      this.#spawn(async () => {
        await this.#world.timeline.sleep(this.#chance.between(0, this.#world.plan.arrivalMs))
        if (this.#chance.happens(0.3)) await this.#driveFunction(each)
        else await this.#submitTasks(each)
      })
  }

  #spawn(run: () => Promise<void>): void {
    this.#busy++
    this.#world.timeline.spawn(async () => {
      await run()
      this.#busy--
    })
  }

  /** A workflow without a driver: everything is handed in, and it ends by itself. */
  async #submitTasks(jobs: number): Promise<void> {
    const workflow = await this.#create('tasks')
    for (let left = jobs; left > 0; ) {
      const before = jobsOf(workflow)
      const went = await this.#chance
        .pick([this.#map, this.#map, this.#chain, this.#diamond, this.#fan, this.#stages])
        .call(this, workflow, left)
      left -= Math.max(1, jobsOf(workflow) - before)
      if (!went) break
      await this.#world.timeline.sleep(this.#chance.around(1000))
    }
    workflow.closed = true
    await this.#must(`closes ${workflow.id}`, (engine, p) => closeWorkflow(engine, p, num(workflow.id)), [
      'workflow_unknown',
    ])
  }

  /** A workflow function: its driver renews, calls, waits for what it called, and says how it ends. */
  async #driveFunction(jobs: number): Promise<void> {
    const workflow = await this.#create('function')
    const ended = new AbortController()
    const bell = new Bell<'heard'>()
    const outcomes = new Map<string, Outcome>()
    let open = false
    this.#world.timeline.spawn(
      () =>
        follow(
          this.#world,
          this.#caller,
          { workflowId: num(workflow.id), scope: 'driver', signal: ended.signal },
          (outcome) => {
            outcomes.set(outcome.jobId, outcome)
            bell.ring('heard')
          },
          () => {
            open = true
            bell.ring('heard')
          },
        ),
      (error) => isFault(error),
    )
    this.#spawn(() => this.#renew(workflow, ended.signal))
    const until = async (isTrue: () => boolean) => {
      while (!isTrue() && !workflow.cancel) {
        const { rung, cancel } = bell.arm(['heard'])
        await this.#world.timeline.wait(rung, 30_000, ended.signal)
        cancel()
      }
    }
    await until(() => open)
    for (let left = jobs, n = 0; left > 0 && !workflow.cancel; n++) {
      const before = jobsOf(workflow)
      const task = this.#newTask(workflow, this.#natures(this.#chance.whole(1, Math.min(left, 40))), {})
      if (!(await this.#submit(task, { call: { key: `k${n}`, epoch: 1 } }))) break
      left -= jobsOf(workflow) - before
      if (this.#chance.happens(0.7)) await until(() => task.jobs.every((job) => outcomes.has(job.id!)))
    }
    const end = this.#chance.happens(0.8) ? 'done' : 'failed'
    workflow.end = end
    const body = {
      epoch: 1,
      state: end,
      ...(end === 'done' ? { value: { text: '42' } } : { error: { type: 'E', message: 'no' } }),
    } as const
    await this.#must(`ends ${workflow.id} as ${end}`, (engine, p) => endWorkflow(engine, p, num(workflow.id), body))
    ended.abort()
  }

  /** Each 15 s; now and then the driver is not heard for longer than the server waits, and then goes on. */
  async #renew(workflow: ModelWorkflow, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const silentMs = !this.#world.isCalm && this.#chance.happens(0.05) ? this.#chance.between(30_000, 120_000) : 0
      await this.#world.timeline.wait(null, 15_000 + silentMs, signal)
      if (signal.aborted) return
      await this.#must(`renews ${workflow.id}`, (engine, p) => renewDriver(engine, p, num(workflow.id), 1))
    }
  }

  async #create(kind: ModelWorkflow['kind']): Promise<ModelWorkflow> {
    const workflow = this.#world.model.addWorkflow({
      name: `${this.#name}-w${++this.#names}`,
      kind,
      owner: this.#name,
      tasks: [],
      closed: false,
    })
    const body = { name: workflow.name, kind, labels: {} }
    const { workflowId } = await this.#must(`creates ${workflow.name}`, (engine, p) =>
      withKey(engine, p, { route: 'createWorkflow', key: workflow.name, body }, (e) => createWorkflow(e, p, body)),
    )
    workflow.id = workflowId as `w${number}`
    this.#world.chronicle.note(this.#name, `${workflow.name} is ${workflowId}`)
    if (this.#cancels(0.3)) this.#later(() => this.#cancelWorkflow(workflow))
    if (this.#chance.happens(this.#world.plan.faults.userRetries)) this.#spawn(() => this.#retryNowAndThen(workflow))
    if (this.#chance.happens(this.#world.plan.faults.userPauses)) this.#spawn(() => this.#pauseNowAndThen(workflow))
    return workflow
  }

  // The shapes of work. Each gives false when the workflow takes no more.

  async #map(workflow: ModelWorkflow, most: number): Promise<boolean> {
    const n = this.#chance.happens(0.05) ? 0 : this.#chance.whole(1, Math.min(most, Math.max(60, most / 3)))
    const task = this.#newTask(workflow, this.#natures(n), {})
    return this.#chance.happens(0.3) ? this.#submitInParts(task) : this.#submit(task)
  }

  async #chain(workflow: ModelWorkflow): Promise<boolean> {
    let before: ModelJob | undefined
    for (let n = this.#chance.whole(2, 6); n > 0; n--) {
      const task = this.#newTask(workflow, this.#natures(1), {})
      if (before) task.jobs[0]!.parents = [before]
      if (!(await this.#submit(task))) return false
      before = task.jobs[0]
    }
    return true
  }

  async #diamond(workflow: ModelWorkflow): Promise<boolean> {
    const top = this.#newTask(workflow, this.#natures(1), {})
    if (!(await this.#submit(top))) return false
    const sides = this.#newTask(workflow, this.#natures(this.#chance.whole(2, 5)), {})
    for (const job of sides.jobs) job.parents = [top.jobs[0]!]
    if (!(await this.#submit(sides))) return false
    const bottom = this.#newTask(workflow, this.#natures(1), {})
    bottom.jobs[0]!.parents = [...sides.jobs]
    return this.#submit(bottom)
  }

  /** Each of the later ones needs some of the earlier. */
  async #fan(workflow: ModelWorkflow): Promise<boolean> {
    const first = this.#newTask(workflow, this.#natures(this.#chance.whole(2, 20)), {})
    if (!(await this.#submit(first))) return false
    if (this.#chance.happens(0.3)) await this.#world.timeline.sleep(this.#chance.around(5000))
    const then = this.#newTask(workflow, this.#natures(this.#chance.whole(2, 20)), {})
    for (const job of then.jobs)
      job.parents = [...new Set(Array.from({ length: this.#chance.whole(0, 5) }, () => this.#chance.pick(first.jobs)))]
    return this.#chance.happens(0.3) ? this.#submitInParts(then) : this.#submit(then)
  }

  /** Tasks that wait for whole tasks, and jobs in them for jobs besides. */
  async #stages(workflow: ModelWorkflow): Promise<boolean> {
    const earlier: ModelTask[] = []
    for (let n = this.#chance.whole(2, 5); n > 0; n--) {
      const parents = earlier.filter(() => this.#chance.happens(0.6))
      const task = this.#newTask(workflow, this.#natures(this.#chance.whole(0, 12)), { parents })
      const others = earlier.filter((e) => !parents.includes(e)).flatMap((e) => e.jobs)
      for (const job of task.jobs)
        if (others.length > 0 && this.#chance.happens(0.3)) job.parents = [this.#chance.pick(others)]
      const parts = this.#chance.happens(0.3)
      if (!(parts ? await this.#submitInParts(task) : await this.#submit(task))) return false
      earlier.push(task)
    }
    return true
  }

  #natures(n: number): Nature[] {
    return Array.from({ length: n }, () => this.#nature(0))
  }

  #nature(depth: number): Nature {
    const chance = this.#chance
    const nature: Nature = {
      x: chance.whole(0, 1_000_000),
      ms: Math.round(chance.happens(0.2) ? 0 : chance.around(this.#world.plan.jobMs)),
    }
    const lot = chance.next()
    if (lot < 0.03)
      nature.fails = {
        until: always,
        cause: chance.pick(['user', 'bundle', 'environment', 'walltime', 'runner'] as const),
      }
    else if (lot < 0.07) nature.fails = { until: chance.whole(1, 4), cause: chance.pick(['site', 'storage'] as const) }
    else if (lot < 0.09) nature.fails = { until: chance.whole(1, 2), cause: 'memory' }
    else if (lot < 0.14)
      nature.later = {
        seconds: chance.whole(5, 120),
        postedMs: Math.round(chance.around(2 * this.#world.plan.jobMs + 10_000)),
        says: chance.happens(0.8) ? 'value' : 'error',
      }
    if (!nature.later && depth < 3 && chance.happens(depth === 0 ? 0.04 : 0.15))
      nature.calls = Array.from({ length: chance.whole(1, 2) }, () =>
        Array.from({ length: chance.whole(1, 4) }, () => this.#nature(depth + 1)),
      )
    return nature
  }

  #newTask(workflow: ModelWorkflow, natures: Nature[], { parents = [] }: { parents?: ModelTask[] }): ModelTask {
    const task: ModelTask = {
      name: `${workflow.name}.t${++this.#names}`,
      workflow,
      jobs: [],
      parents,
      attempts: {
        user: this.#chance.happens(0.8) ? 1 : this.#chance.whole(2, 3),
        site: this.#chance.happens(0.7) ? 3 : this.#chance.whole(1, 5),
        lost: this.#chance.happens(0.8) ? 5 : this.#chance.whole(1, 3),
      },
      cores: this.#chance.happens(0.85) ? 1 : this.#chance.whole(2, 4),
    }
    task.jobs = natures.map((nature, index) => ({ task, index, nature, parents: [] }))
    return this.#world.model.addTask(task)
  }

  #bodyOf(task: ModelTask, jobs: ModelJob[], more: Partial<NewTask>): NewTask {
    const { pilots } = this.#world.plan
    const queue = this.#chance.happens(0.3) ? this.#chance.pick(pilots).queue : undefined
    return {
      workflowId: task.workflow.id!,
      name: task.name,
      payload: { kind: 'command', command: ['true'] },
      jobs: jobs.map(newJobOf),
      open: false,
      ...(task.parents.length > 0 ? { after: task.parents.map((p) => p.id!) } : {}),
      labels: {},
      cache: false,
      cores: task.cores,
      ...(this.#chance.happens(0.2) ? { memoryMb: this.#chance.pick([500, 2000]) } : {}),
      ...(queue ? { queue } : {}),
      gpus: !queue && this.#chance.happens(0.15) ? this.#chance.whole(1, pilots[0]!.gpus) : 0,
      priority: this.#chance.happens(0.7) ? 1000 : this.#chance.whole(0, 8000),
      attempts: task.attempts,
      ...(this.#chance.happens(0.2) ? { lostAfterSeconds: this.#chance.whole(50, 200) } : {}),
      ...more,
    }
  }

  /** False when the workflow takes no more: it was cancelled meanwhile. */
  async #submit(task: ModelTask, more: Partial<NewTask> = {}, n = task.jobs.length): Promise<boolean> {
    const body = this.#bodyOf(task, task.jobs.slice(0, n), more)
    const once = (engine: Engine, p: Principal): Promise<SubmittedTask> =>
      body.call
        ? submitTask(engine, p, body)
        : withKey(engine, p, { route: 'submitTask', key: task.name, body }, (e) => submitTask(e, p, body))
    const reply = await this.#try(`submits ${task.name} of ${n}`, once)
    if (isFault(reply)) return this.#refused(task, reply)
    task.id = reply.taskId
    if (reply.firstJobId) nameJobs(task, 0, n, reply.firstJobId)
    this.#world.chronicle.note(this.#name, `${task.name} is ${reply.taskId} of ${n} from ${reply.firstJobId}`)
    if (n > 0 && this.#cancels(2))
      this.#later(() =>
        this.#chance.happens(0.5) ? this.#cancelTask(task) : this.#cancelJob(this.#chance.pick(task.jobs)),
      )
    if (this.#chance.happens(0.1)) this.#later(() => this.#look(task))
    return true
  }

  /** In several requests; the last one closes the task. */
  async #submitInParts(task: ModelTask): Promise<boolean> {
    const all = task.jobs.length
    let have = Math.min(all, this.#chance.whole(0, all))
    if (have === all) return this.#submit(task)
    if (!(await this.#submit(task, { open: true }, have))) return false
    while (have < all) {
      await this.#world.timeline.sleep(this.#chance.around(2000))
      const n = this.#chance.whole(1, all - have)
      const body = { firstIndex: have, jobs: task.jobs.slice(have, have + n).map(newJobOf), close: have + n === all }
      const reply = await this.#try(`adds ${n} to ${task.id}`, (engine, p) => addJobs(engine, p, num(task.id), body))
      if (isFault(reply)) {
        task.jobs.length = have
        return this.#refused(task, reply)
      }
      // A part that was known already says nothing of its ids, which the lost answer did.
      if (reply.firstJobId) nameJobs(task, have, n, reply.firstJobId)
      else await this.#nameKnown(task)
      this.#world.chronicle.note(this.#name, `${task.id} has ${n} more from ${task.jobs[have]!.id}`)
      have += n
    }
    return true
  }

  async #nameKnown(task: ModelTask): Promise<void> {
    const rows = await this.#world.db.rows<{ id: number; index: number }>({
      text: 'select id, index from job where task_id = $1',
      values: [num(task.id)],
      name: 'simulation-names',
    })
    for (const { id, index } of rows) task.jobs[index]!.id = `j${id}`
  }

  #refused(task: ModelTask, refusal: Fault): boolean {
    const mayStop = task.jobs.some(({ nature }) => nature.fails && stopsTask(nature.fails.cause))
    const expected =
      task.workflow.cancel || task.cancel ? ['workflow_ended', 'task_closed'] : mayStop ? ['task_closed'] : []
    if (!expected.includes(refusal.code))
      this.#world.referee.broken.push(`${task.name} was refused: ${refusal.code} ${refusal.message}`)
    if (!task.id) {
      // It is not there: nothing may come of it.
      this.#world.model.tasks.delete(task.name)
      task.workflow.tasks = task.workflow.tasks.filter((t) => t !== task)
    }
    return false
  }

  #cancels(factor: number): boolean {
    return this.#chance.happens(this.#world.plan.faults.userCancels * factor * 0.3)
  }

  #later(act: () => Promise<void>): void {
    const inMs = this.#chance.happens(0.3) ? 0 : this.#chance.around(15_000)
    this.#spawn(async () => {
      await this.#world.timeline.sleep(inMs)
      await act()
    })
  }

  async #cancelTask(task: ModelTask): Promise<void> {
    task.cancel ??= 'asked'
    const reply = await this.#try(`cancels ${task.id}`, (engine, p) => cancelTask(engine, p, num(task.id), 'enough'))
    this.#cancelled(task.id!, reply)
    if (!isFault(reply)) task.cancel = 'accepted'
  }

  async #cancelJob(job: ModelJob): Promise<void> {
    if (!job.id) return
    job.cancelAsked = true
    const reply = await this.#try(`cancels ${job.id}`, (engine, p) => cancelJob(engine, p, num(job.id), 'enough'))
    this.#cancelled(job.id, reply)
  }

  async #cancelWorkflow(workflow: ModelWorkflow): Promise<void> {
    workflow.cancel ??= 'asked'
    const reply = await this.#try(`cancels ${workflow.id}`, (engine, p) =>
      cancelWorkflow(engine, p, num(workflow.id), 'enough'),
    )
    this.#cancelled(workflow.id!, reply)
    if (!isFault(reply)) workflow.cancel = 'accepted'
  }

  /** Each time a job, a task or all of it: mostly of what he sees that it did not end well, else whatever has become of it. */
  async #retryNowAndThen(workflow: ModelWorkflow): Promise<void> {
    for (let n = this.#chance.whole(1, 8); n > 0; n--) {
      await this.#world.timeline.sleep(this.#chance.around(30_000))
      const lost = this.#chance.happens(0.8) ? await this.#lostOf(workflow) : []
      const tasks = workflow.tasks.filter((task) => task.jobs.length > 0)
      const seen = lost.length > 0 ? this.#chance.pick(lost) : undefined
      const task = tasks.length > 0 ? this.#chance.pick(tasks) : undefined
      const lot = this.#chance.next()
      if (lot < 0.3) await this.#retry(workflow, workflow.id, retryWorkflow)
      else if (lot < 0.6) await this.#retry(workflow, seen ? `t${seen.taskId}` : task?.id, retryTask)
      else await this.#retry(workflow, seen ? `j${seen.id}` : task && this.#chance.pick(task.jobs).id, retryJob)
    }
  }

  /** Holds all of it or one task for a while, and gives that another priority at times. What was paused is always resumed. */
  async #pauseNowAndThen(workflow: ModelWorkflow): Promise<void> {
    for (let n = this.#chance.whole(1, 5); n > 0; n--) {
      await this.#world.timeline.sleep(this.#chance.around(20_000))
      const task = this.#chance.pick(workflow.tasks)
      const isWhole = !task?.id || this.#chance.happens(0.5)
      const [id, pause, resume, prioritise] = isWhole
        ? ([workflow.id, steer.pauseWorkflow, steer.resumeWorkflow, steer.prioritiseWorkflow] as const)
        : ([task.id!, steer.pauseTask, steer.resumeTask, steer.prioritiseTask] as const)
      await this.#steer(`pauses ${id}`, (engine, p) => pause(engine, p, num(id), { preview: false }))
      await this.#world.timeline.sleep(this.#chance.around(8000))
      if (this.#chance.happens(0.5)) {
        const priority = this.#chance.whole(0, 8000)
        await this.#steer(`gives ${id} priority ${priority}`, (engine, p) =>
          prioritise(engine, p, num(id), priority, { preview: false }),
        )
      }
      await this.#steer(`resumes ${id}`, (engine, p) => resume(engine, p, num(id), { preview: false }))
    }
  }

  /** It may be refused: what has ended, or was not paused, stays so. */
  async #steer(what: string, act: (engine: Engine, principal: Principal) => Promise<unknown>): Promise<void> {
    const reply = await this.#try(what, act)
    if (isFault(reply) && reply.code !== 'state_forbids')
      this.#world.referee.broken.push(`${what}, which was refused: ${reply.code} ${reply.message}`)
  }

  #lostOf(workflow: ModelWorkflow) {
    return this.#world.db.rows<{ id: number; taskId: number }>({
      text: `select id, task_id as "taskId" from job where workflow_id = $1 and state in ('failed', 'cancelled') order by id`,
      values: [num(workflow.id)],
      name: 'simulation-lost',
    })
  }

  /** It may be refused: what is under way, is done, or is a call is not retried by itself. */
  async #retry(workflow: ModelWorkflow, id: string | undefined, retry: typeof retryTask): Promise<void> {
    if (!id) return
    workflow.retried = true
    const reply = await this.#try(`retries ${id}`, (engine, p) => retry(engine, p, num(id), 'another try'))
    if (!isFault(reply)) this.#world.chronicle.note(this.#name, `${id}: ${reply.retried} retried`)
    else if (reply.code !== 'not_retriable')
      this.#world.referee.broken.push(`to retry ${id} was refused: ${reply.code} ${reply.message}`)
  }

  #cancelled(id: string, reply: Fault | { cancelled: number; asked: number }): void {
    if (!isFault(reply))
      this.#world.chronicle.note(this.#name, `${id}: ${reply.cancelled} cancelled, ${reply.asked} asked`)
    else if (reply.code !== 'not_cancellable')
      this.#world.referee.broken.push(`to cancel ${id} was refused: ${reply.code} ${reply.message}`)
  }

  /** Looks at a task in every way that there is: none may fail. */
  async #look(task: ModelTask): Promise<void> {
    const job = this.#chance.pick(task.jobs)
    await this.#must(`looks at ${task.id}`, async (engine, p) => {
      await getTask(engine, p, num(task.id))
      await listOutcomes(engine, p, num(task.id), { limit: 50 })
      await explainTask(engine, p, num(task.id))
      await explainWorkflow(engine, p, num(task.workflow.id))
      if (!job?.id) return
      await getJob(engine, p, num(job.id))
      await explainJob(engine, p, num(job.id))
    })
  }

  #try<T>(what: string, handle: (engine: Engine, principal: Principal) => Promise<T>): Promise<T | Fault> {
    return answered(this.#world, this.#caller, { what, handle: (engine) => handle(engine, this.#principal) })
  }

  /** Where no refusal is expected, beside those named. */
  async #must<T>(
    what: string,
    handle: (engine: Engine, principal: Principal) => Promise<T>,
    expected: string[] = [],
  ): Promise<T> {
    const reply = await this.#try(what, handle)
    if (isFault(reply) && !expected.includes(reply.code))
      this.#world.referee.broken.push(`${this.#name} ${what} was refused: ${reply.code} ${reply.message}`)
    return reply as T
  }
}

const newJobOf = (job: ModelJob): NewJob => ({
  args: { text: argsOf(job.nature) },
  ...(job.parents.length > 0 ? { after: job.parents.map((p) => p.id!) } : {}),
})

/** Jobs asked for, with those that they will call. */
const jobsOf = (workflow: ModelWorkflow): number =>
  workflow.tasks
    .filter((task) => !task.caller)
    .reduce((n, task) => n + task.jobs.reduce((sum, job) => sum + jobsIn(job.nature), 0), 0)

const num = (id: string | undefined): number => Number(id!.slice(1))
