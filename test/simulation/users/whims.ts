import { type Fault, isFault } from '../../../src/lib/fault.ts'
import type { Principal } from '../../../src/services/access/authenticate.ts'
import type { Engine } from '../../../src/services/engine/engine.ts'
import { explainJob, explainTask, explainWorkflow } from '../../../src/services/explain.ts'
import { type Cancelled, cancelJob, cancelTask } from '../../../src/services/steer/cancel.ts'
import { retryJob, retryTask, retryWorkflow } from '../../../src/services/steer/retry.ts'
import * as steer from '../../../src/services/steer/steer.ts'
import { getJob } from '../../../src/services/views/jobs.ts'
import { getTask, listOutcomes } from '../../../src/services/views/tasks.ts'
import { cancelWorkflow } from '../../../src/services/workflows/workflows.ts'
import type { ModelJob, ModelTask, ModelWorkflow } from '../model.ts'
import { ask, must, num } from './ask.ts'
import type { SimulatedUser } from './user.ts'

/** What he will do to a workflow that has just begun: cancel it, retry or pause what is in it now and then; or nothing. */
export const haveWhimsAboutWorkflow = (user: SimulatedUser, workflow: ModelWorkflow): void => {
  const { chance, world } = user
  const { userRetries, userPauses } = world.plan.faults
  if (cancels(user, 0.3)) later(user, () => giveUpWorkflow(user, workflow))
  if (chance.happens(userRetries)) user.spawn(() => retryNowAndThen(user, workflow))
  if (chance.happens(userPauses)) user.spawn(() => pauseNowAndThen(user, workflow))
}

/** What he will do to a task that was just handed in with `n` jobs: cancel it or one of its jobs, look at it; or nothing. */
export const haveWhimsAboutTask = (user: SimulatedUser, task: ModelTask, n: number): void => {
  const { chance } = user
  if (n > 0 && cancels(user, 2))
    later(user, () => (chance.happens(0.5) ? giveUpTask(user, task) : giveUpJob(user, chance.pick(task.jobs))))
  if (chance.happens(0.1)) later(user, () => look(user, task))
}

const later = (user: SimulatedUser, act: () => Promise<void>): void => {
  const inMs = user.chance.happens(0.3) ? 0 : user.chance.around(15_000)
  user.spawn(async () => {
    await user.world.timeline.sleep(inMs)
    await act()
  })
}

// Cancels.

const cancels = ({ world, chance }: SimulatedUser, factor: number): boolean =>
  chance.happens(world.plan.faults.userCancels * factor * 0.3)

const giveUpWorkflow = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<void> => {
  workflow.cancel ??= 'asked'
  const reply = await ask(user, `cancels ${workflow.id}`, (engine, p) =>
    cancelWorkflow(engine, p, num(workflow.id), 'enough'),
  )
  cancelled(user, workflow.id!, reply)
  if (!isFault(reply)) workflow.cancel = 'accepted'
}

const giveUpTask = async (user: SimulatedUser, task: ModelTask): Promise<void> => {
  task.cancel ??= 'asked'
  const reply = await ask(user, `cancels ${task.id}`, (engine, p) => cancelTask(engine, p, num(task.id), 'enough'))
  cancelled(user, task.id!, reply)
  if (!isFault(reply)) task.cancel = 'accepted'
}

const giveUpJob = async (user: SimulatedUser, job: ModelJob): Promise<void> => {
  if (!job.id) return
  job.cancelAsked = true
  const reply = await ask(user, `cancels ${job.id}`, (engine, p) => cancelJob(engine, p, num(job.id), 'enough'))
  cancelled(user, job.id, reply)
}

const cancelled = ({ world, name }: SimulatedUser, id: string, reply: Fault | Cancelled): void => {
  if (!isFault(reply)) world.chronicle.note(name, `${id}: ${reply.cancelled} cancelled, ${reply.asked} asked`)
  else if (reply.code !== 'not_cancellable')
    world.referee.broken.push(`to cancel ${id} was refused: ${reply.code} ${reply.message}`)
}

// Retries.

/** Each time a job, a task or all of it: mostly of what he sees that it did not end well, else whatever has become of it. */
const retryNowAndThen = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<void> => {
  const { world, chance } = user
  for (let n = chance.whole(1, 8); n > 0; n--) {
    await world.timeline.sleep(chance.around(30_000))
    const lost = chance.happens(0.8) ? await lostOf(user, workflow) : []
    const tasks = workflow.tasks.filter((task) => task.jobs.length > 0)
    const seen = lost.length > 0 ? chance.pick(lost) : undefined
    const task = tasks.length > 0 ? chance.pick(tasks) : undefined
    const lot = chance.next()
    if (lot < 0.3) await retry(user, workflow, workflow.id, retryWorkflow)
    else if (lot < 0.6) await retry(user, workflow, seen ? `t${seen.taskId}` : task?.id, retryTask)
    else await retry(user, workflow, seen ? `j${seen.id}` : task && chance.pick(task.jobs).id, retryJob)
  }
}

const lostOf = ({ world }: SimulatedUser, workflow: ModelWorkflow) =>
  world.db.rows<{ id: number; taskId: number }>({
    text: `select id, task_id as "taskId" from job where workflow_id = $1 and state in ('failed', 'cancelled') order by id`,
    values: [num(workflow.id)],
    name: 'simulation-lost',
  })

/** It may be refused: what is under way, is done, or is a call is not retried by itself. */
const retry = async (
  user: SimulatedUser,
  workflow: ModelWorkflow,
  id: string | undefined,
  act: typeof retryTask,
): Promise<void> => {
  if (!id) return
  const { world, name } = user
  workflow.retried = true
  const reply = await ask(user, `retries ${id}`, (engine, p) => act(engine, p, num(id), 'another try'))
  if (!isFault(reply)) world.chronicle.note(name, `${id}: ${reply.retried} retried`)
  else if (reply.code !== 'not_retriable')
    world.referee.broken.push(`to retry ${id} was refused: ${reply.code} ${reply.message}`)
}

// Pauses.

/** Holds all of it or one task for a while, and gives that another priority at times. What was paused is always resumed. */
const pauseNowAndThen = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<void> => {
  const { world, chance } = user
  for (let n = chance.whole(1, 5); n > 0; n--) {
    await world.timeline.sleep(chance.around(20_000))
    const task = chance.pick(workflow.tasks)
    const isWhole = !task?.id || chance.happens(0.5)
    const [id, pause, resume, prioritise] = isWhole
      ? ([workflow.id, steer.pauseWorkflow, steer.resumeWorkflow, steer.prioritiseWorkflow] as const)
      : ([task.id!, steer.pauseTask, steer.resumeTask, steer.prioritiseTask] as const)
    await steered(user, `pauses ${id}`, (engine, p) => pause(engine, p, num(id), { preview: false }))
    await world.timeline.sleep(chance.around(8000))
    if (chance.happens(0.5)) {
      const priority = chance.whole(0, 8000)
      await steered(user, `gives ${id} priority ${priority}`, (engine, p) =>
        prioritise(engine, p, num(id), priority, { preview: false }),
      )
    }
    await steered(user, `resumes ${id}`, (engine, p) => resume(engine, p, num(id), { preview: false }))
  }
}

/** It may be refused: what has ended, or was not paused, stays so. */
const steered = async (
  user: SimulatedUser,
  what: string,
  act: (engine: Engine, principal: Principal) => Promise<unknown>,
): Promise<void> => {
  const reply = await ask(user, what, act)
  if (isFault(reply) && reply.code !== 'state_forbids')
    user.world.referee.broken.push(`${what}, which was refused: ${reply.code} ${reply.message}`)
}

// Looks.

/** Looks at a task in every way that there is: none may fail. */
const look = async (user: SimulatedUser, task: ModelTask): Promise<void> => {
  const job = user.chance.pick(task.jobs)
  await must(user, `looks at ${task.id}`, async (engine, p) => {
    await getTask(engine, p, num(task.id))
    await listOutcomes(engine, p, num(task.id), { limit: 50 })
    await explainTask(engine, p, num(task.id))
    await explainWorkflow(engine, p, num(task.workflow.id))
    if (!job?.id) return
    await getJob(engine, p, num(job.id))
    await explainJob(engine, p, num(job.id))
  })
}
