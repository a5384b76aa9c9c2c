import { closeWorkflow } from '../../../src/services/workflows/workflows.ts'
import type { ModelJob, ModelTask, ModelWorkflow } from '../model.ts'
import { must, num } from './ask.ts'
import { submit, submitEitherWay } from './submit.ts'
import type { SimulatedUser } from './user.ts'
import { jobsOf, newTask } from './work.ts'
import { beginWorkflow } from './workflow.ts'

/** A workflow without a driver: everything is handed in, and it ends by itself. */
export const submitTasks = async (user: SimulatedUser, jobs: number): Promise<void> => {
  const { world, chance } = user
  const workflow = await beginWorkflow(user, 'tasks')
  for (let left = jobs; left > 0; ) {
    const before = jobsOf(workflow)
    const shape = chance.pick([map, map, chain, diamond, fan, stages])
    const went = await shape(user, workflow, left)
    left -= Math.max(1, jobsOf(workflow) - before)
    if (!went) break
    await world.timeline.sleep(chance.around(1000))
  }
  workflow.closed = true
  await must(user, `closes ${workflow.id}`, (engine, p) => closeWorkflow(engine, p, num(workflow.id)), [
    'workflow_unknown',
  ])
}

// The shapes of work. Each gives false when the workflow takes no more.

const map = async (user: SimulatedUser, workflow: ModelWorkflow, most: number): Promise<boolean> => {
  const { chance } = user
  const n = chance.happens(0.05) ? 0 : chance.whole(1, Math.min(most, Math.max(60, most / 3)))
  return submitEitherWay(user, newTask(user, workflow, n))
}

const chain = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<boolean> => {
  let before: ModelJob | undefined
  for (let n = user.chance.whole(2, 6); n > 0; n--) {
    const task = newTask(user, workflow, 1)
    if (before) task.jobs[0]!.parents = [before]
    if (!(await submit(user, task))) return false
    before = task.jobs[0]
  }
  return true
}

const diamond = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<boolean> => {
  const top = newTask(user, workflow, 1)
  if (!(await submit(user, top))) return false
  const sides = newTask(user, workflow, user.chance.whole(2, 12))
  for (const job of sides.jobs) job.parents = [top.jobs[0]!]
  if (!(await submit(user, sides))) return false
  const bottom = newTask(user, workflow, 1)
  bottom.jobs[0]!.parents = [...sides.jobs]
  return submit(user, bottom)
}

/** Each of the later ones needs some of the earlier. */
const fan = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<boolean> => {
  const { world, chance } = user
  const first = newTask(user, workflow, chance.whole(2, 20))
  if (!(await submit(user, first))) return false
  if (chance.happens(0.3)) await world.timeline.sleep(chance.around(5000))
  const then = newTask(user, workflow, chance.whole(2, 20))
  for (const job of then.jobs)
    job.parents = [...new Set(Array.from({ length: chance.whole(0, 5) }, () => chance.pick(first.jobs)))]
  return submitEitherWay(user, then)
}

/** Tasks that wait for whole tasks, and jobs in them for jobs besides. */
const stages = async (user: SimulatedUser, workflow: ModelWorkflow): Promise<boolean> => {
  const { chance } = user
  const earlier: ModelTask[] = []
  for (let n = chance.whole(2, 5); n > 0; n--) {
    const parents = earlier.filter(() => chance.happens(0.6))
    const task = newTask(user, workflow, chance.whole(0, 12), parents)
    const others = earlier.filter((e) => !parents.includes(e)).flatMap((e) => e.jobs)
    for (const job of task.jobs) if (others.length > 0 && chance.happens(0.3)) job.parents = [chance.pick(others)]
    if (!(await submitEitherWay(user, task))) return false
    earlier.push(task)
  }
  return true
}
