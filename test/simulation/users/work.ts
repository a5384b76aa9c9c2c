import type { ModelTask, ModelWorkflow } from '../model.ts'
import { always, jobsIn, type Nature } from '../payload.ts'
import type { SimulatedUser } from './user.ts'

/** A task of so many jobs, each of a nature of its own, that is yet to be handed in. */
export const newTask = (
  user: SimulatedUser,
  workflow: ModelWorkflow,
  jobs: number,
  parents: ModelTask[] = [],
): ModelTask => {
  const { world, chance } = user
  const natures = Array.from({ length: jobs }, () => newNature(user, 0))
  const task: ModelTask = {
    name: `${workflow.name}.t${user.nextNumber()}`,
    workflow,
    jobs: [],
    parents,
    attempts: {
      user: chance.happens(0.8) ? 1 : chance.whole(2, 3),
      site: chance.happens(0.7) ? 3 : chance.whole(1, 5),
      lost: chance.happens(0.8) ? 5 : chance.whole(1, 3),
    },
    cores: chance.happens(0.85) ? 1 : chance.whole(2, 4),
  }
  task.jobs = natures.map((nature, index) => ({ task, index, nature, parents: [] }))
  return world.model.addTask(task)
}

/** Some call others, which may do so in their turn. */
const newNature = (user: SimulatedUser, depth: number): Nature => {
  const { world, chance } = user
  const nature: Nature = {
    x: chance.whole(0, 1_000_000),
    ms: Math.round(chance.happens(0.2) ? 0 : chance.around(world.plan.jobMs)),
    ...newEnd(user),
  }
  if (!nature.later && depth < 3 && chance.happens(depth === 0 ? 0.04 : 0.15))
    nature.calls = Array.from({ length: chance.whole(1, 2) }, () =>
      Array.from({ length: chance.whole(1, 4) }, () => newNature(user, depth + 1)),
    )
  return nature
}

/** Most end well; some fail, always or at first; of some the value comes from outside. */
const newEnd = ({ world, chance }: SimulatedUser): Pick<Nature, 'fails' | 'later'> => {
  const lot = chance.next()
  if (lot < 0.03) {
    const causes = ['user', 'bundle', 'environment', 'walltime', 'runner'] as const
    return { fails: { until: always, cause: chance.pick(causes) } }
  }
  if (lot < 0.07) return { fails: { until: chance.whole(1, 4), cause: chance.pick(['site', 'storage'] as const) } }
  if (lot < 0.09) return { fails: { until: chance.whole(1, 2), cause: 'memory' } }
  if (lot >= 0.14) return {}
  const seconds = chance.whole(5, 120)
  const postedMs = Math.round(chance.around(2 * world.plan.jobMs + 10_000))
  return { later: { seconds, postedMs, says: chance.happens(0.8) ? 'value' : 'error' } }
}

/** Jobs asked for, with those that they will call. */
export const jobsOf = (workflow: ModelWorkflow): number =>
  workflow.tasks
    .filter((task) => !task.caller)
    .reduce((n, task) => n + task.jobs.reduce((sum, job) => sum + jobsIn(job.nature), 0), 0)
