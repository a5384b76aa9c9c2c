import type { NewJob, NewTask, SubmittedTask } from '../../../src/contract/tasks.ts'
import { stopsTask } from '../../../src/domain/job/causes.ts'
import { type Fault, isFault } from '../../../src/lib/fault.ts'
import type { Principal } from '../../../src/services/access/authenticate.ts'
import { withKey } from '../../../src/services/access/keyed.ts'
import type { Engine } from '../../../src/services/engine/engine.ts'
import { addJobs } from '../../../src/services/submit/addJobs.ts'
import { submitTask } from '../../../src/services/submit/submitTask.ts'
import { type ModelJob, type ModelTask, nameJobs } from '../model.ts'
import { argsOf } from '../payload.ts'
import { ask, num } from './ask.ts'
import type { SimulatedUser } from './user.ts'
import { haveWhimsAboutTask } from './whims.ts'

/** In one request or in several. False, as of the two below, when the workflow takes no more: it was cancelled meanwhile. */
export const submitEitherWay = (user: SimulatedUser, task: ModelTask): Promise<boolean> =>
  user.chance.happens(0.3) ? submitInParts(user, task) : submit(user, task)

/** All of its jobs, or the first `n`, in one request. */
export const submit = async (
  user: SimulatedUser,
  task: ModelTask,
  more: Partial<NewTask> = {},
  n = task.jobs.length,
): Promise<boolean> => {
  const body = bodyOf(user, task, task.jobs.slice(0, n), more)
  const once = (engine: Engine, p: Principal): Promise<SubmittedTask> =>
    body.call
      ? submitTask(engine, p, body)
      : withKey(engine, p, { route: 'submitTask', key: task.name, body }, (e) => submitTask(e, p, body))
  const reply = await ask(user, `submits ${task.name} of ${n}`, once)
  if (isFault(reply)) return refused(user, task, reply)
  task.id = reply.taskId
  if (reply.firstJobId) nameJobs(task, 0, n, reply.firstJobId)
  user.world.chronicle.note(user.name, `${task.name} is ${reply.taskId} of ${n} from ${reply.firstJobId}`)
  haveWhimsAboutTask(user, task, n)
  return true
}

/** In several requests; the last one closes the task. */
const submitInParts = async (user: SimulatedUser, task: ModelTask): Promise<boolean> => {
  const { world, chance } = user
  const all = task.jobs.length
  let have = Math.min(all, chance.whole(0, all))
  if (have === all) return submit(user, task)
  if (!(await submit(user, task, { open: true }, have))) return false
  while (have < all) {
    await world.timeline.sleep(chance.around(2000))
    const n = chance.whole(1, all - have)
    const body = { firstIndex: have, jobs: task.jobs.slice(have, have + n).map(newJobOf), close: have + n === all }
    const reply = await ask(user, `adds ${n} to ${task.id}`, (engine, p) => addJobs(engine, p, num(task.id), body))
    if (isFault(reply)) {
      task.jobs.length = have
      return refused(user, task, reply)
    }
    // A part that was known already says nothing of its ids, which the lost answer did.
    if (reply.firstJobId) nameJobs(task, have, n, reply.firstJobId)
    else await nameKnown(user, task)
    world.chronicle.note(user.name, `${task.id} has ${n} more from ${task.jobs[have]!.id}`)
    have += n
  }
  return true
}

const bodyOf = (user: SimulatedUser, task: ModelTask, jobs: ModelJob[], more: Partial<NewTask>): NewTask => ({
  workflowId: task.workflow.id!,
  name: task.name,
  payload: { kind: 'command', command: ['true'] },
  jobs: jobs.map(newJobOf),
  open: false,
  ...(task.parents.length > 0 ? { after: task.parents.map((p) => p.id!) } : {}),
  labels: {},
  cache: false,
  cores: task.cores,
  ...wishesOf(user),
  attempts: task.attempts,
  ...(user.chance.happens(0.2) ? { lostAfterSeconds: user.chance.whole(50, 200) } : {}),
  ...more,
})

/** Where it shall run, with what, and how soon. Where it names its queue it asks for no GPUs: that queue may have none. */
const wishesOf = ({ world, chance }: SimulatedUser): Pick<NewTask, 'memoryMb' | 'queue' | 'gpus' | 'priority'> => {
  const { pilots } = world.plan
  const queue = chance.happens(0.3) ? chance.pick(pilots).queue : undefined
  return {
    ...(chance.happens(0.2) ? { memoryMb: chance.pick([500, 2000]) } : {}),
    ...(queue ? { queue } : {}),
    gpus: !queue && chance.happens(0.15) ? chance.whole(1, pilots[0]!.gpus) : 0,
    priority: chance.happens(0.7) ? 1000 : chance.whole(0, 8000),
  }
}

const newJobOf = (job: ModelJob): NewJob => ({
  args: { text: argsOf(job.nature) },
  ...(job.parents.length > 0 ? { after: job.parents.map((p) => p.id!) } : {}),
})

const refused = ({ world }: SimulatedUser, task: ModelTask, refusal: Fault): boolean => {
  const mayStop = task.jobs.some(({ nature }) => nature.fails && stopsTask(nature.fails.cause))
  const expected =
    task.workflow.cancel || task.cancel ? ['workflow_ended', 'task_closed'] : mayStop ? ['task_closed'] : []
  if (!expected.includes(refusal.code))
    world.referee.broken.push(`${task.name} was refused: ${refusal.code} ${refusal.message}`)
  if (!task.id) {
    // It is not there: nothing may come of it.
    world.model.tasks.delete(task.name)
    task.workflow.tasks = task.workflow.tasks.filter((t) => t !== task)
  }
  return false
}

const nameKnown = async ({ world }: SimulatedUser, task: ModelTask): Promise<void> => {
  const rows = await world.db.rows<{ id: number; index: number }>({
    text: 'select id, index from job where task_id = $1',
    values: [num(task.id)],
    name: 'simulation-names',
  })
  for (const { id, index } of rows) task.jobs[index]!.id = `j${id}`
}
