import type { Environment } from '../../contract/environments.ts'
import type { Setting } from '../../contract/tasks.ts'
import type { AttemptLimits } from '../retry/decide.ts'

/** What was said of a task, and by whom. Null: nobody said it. */
export type TaskSaid = {
  isCommand: boolean
  queue: string | null
  site: string | null
  cores: number
  memoryMb: number | null
  gpus: number
  wallSeconds: number | null
  priority: number
  attempts: AttemptLimits
  lostAfterSeconds: number | null
  /** What work and workflow say together. */
  environment: Environment | undefined
  ofWorkflow: Environment | undefined
}

export type QueueSaid = { name: string; lostAfterSeconds: number | null; environment: Environment | undefined }

/** A task for which nobody says anything: all is as the contract has it. */
export const saysNothing = {
  ...{ isCommand: false, queue: null, site: null },
  ...{ cores: 1, memoryMb: null, gpus: 0, wallSeconds: null, priority: 1000 },
  ...{ attempts: { user: 1, site: 3, lost: 5 } as AttemptLimits, lostAfterSeconds: null },
  ...{ environment: undefined, ofWorkflow: undefined },
} satisfies TaskSaid

/** The two ways to say which packages there are: who says one of them, says both. */
const packages: readonly (keyof Environment)[] = ['requirements', 'conda']

/** What holds for a task in each queue that it may run in, and who said it. What somebody said that is the default too cannot be told from it, and need not be. */
export const settingsOf = (task: TaskSaid, queues: readonly QueueSaid[]): Setting[] => [
  queueOf(task, queues),
  ...(['site', 'cores', 'memoryMb', 'gpus', 'wallSeconds', 'priority'] as const).map((name) =>
    settingOf(task, name, task[name], saysNothing[name]),
  ),
  ...Object.entries(task.attempts).map(([cause, n]) =>
    settingOf(task, `attempts.${cause}`, n, saysNothing.attempts[cause as keyof AttemptLimits]),
  ),
  ...(task.lostAfterSeconds === null
    ? patienceOf(queues)
    : [settingOf(task, 'lostAfterSeconds', task.lostAfterSeconds, null)]),
  ...(['requirements', 'conda', 'initEnv', 'cleanEnv', 'postScript', 'image'] as const).flatMap((name) =>
    environmentSetting(name, task, queues),
  ),
]

const settingOf = (
  task: TaskSaid,
  name: string,
  value: Setting['value'],
  usual: Setting['value'] | undefined,
): Setting => ({ name, value, from: value === usual ? 'default' : origin(task) })

const origin = ({ isCommand }: TaskSaid): Setting['from'] => (isCommand ? 'submission' : 'work')

/** The one that it names, or all that the broker has chosen. */
const queueOf = (task: TaskSaid, queues: readonly QueueSaid[]): Setting =>
  task.queue === null
    ? { name: 'queue', value: queues.map(({ name }) => name).join(', ') || null, from: 'default' }
    : { name: 'queue', value: task.queue, from: origin(task) }

const patienceOf = (queues: readonly QueueSaid[]): Setting[] => {
  const name = 'lostAfterSeconds'
  const said = queues.filter((queue) => queue.lostAfterSeconds !== null)
  const byQueue = said.map((queue) => ({
    ...{ name, value: queue.lostAfterSeconds },
    ...{ from: 'queue' as const, queue: queue.name },
  }))
  return said.length < queues.length || queues.length === 0
    ? [...byQueue, { name, value: null, from: 'default' }]
    : byQueue
}

const environmentSetting = (name: keyof Environment, task: TaskSaid, queues: readonly QueueSaid[]): Setting[] => {
  const { environment, ofWorkflow } = task
  const own = environment?.[name]
  if (own !== undefined) return [{ name, value: own, from: own === ofWorkflow?.[name] ? 'workflow' : origin(task) }]
  if (packages.includes(name) && packages.some((other) => environment?.[other] !== undefined)) return []
  return queues.flatMap((queue): Setting[] =>
    queue.environment?.[name] ? [{ name, value: queue.environment[name], from: 'queue', queue: queue.name }] : [],
  )
}
