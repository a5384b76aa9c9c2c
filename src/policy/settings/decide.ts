import type { Environment } from '../../contract/environments.ts'
import type { Setting } from '../../contract/tasks.ts'

/** What was said of a task, and by whom. Null: nobody said it. */
export type TaskSaid = {
  isCommand: boolean
  cores: number
  memoryMb: number | null
  wallSeconds: number | null
  priority: number
  attemptsUser: number
  attemptsSite: number
  attemptsLost: number
  lostAfterSeconds: number | null
  /** What work and workflow say together. */
  environment: Environment | undefined
  ofWorkflow: Environment | undefined
}

export type QueueSaid = { name: string; lostAfterSeconds: number | null; environment: Environment | undefined }

/** As the contract has them, for those who say nothing. */
export const defaults = {
  ...{ cores: 1, memoryMb: null, wallSeconds: null, priority: 1000 },
  ...{ attemptsUser: 1, attemptsSite: 3, attemptsLost: 5, lostAfterSeconds: null },
} as const

/** The two ways to say which packages there are: who says one of them, says both. */
const packages: readonly (keyof Environment)[] = ['requirements', 'conda']

/** What holds for a task in each queue that it may run in, and who said it. What somebody said that is the default too cannot be told from it, and need not be. */
export const settingsOf = (task: TaskSaid, queues: readonly QueueSaid[]): Setting[] => [
  ...(Object.keys(defaults) as (keyof typeof defaults)[]).flatMap((name) =>
    task[name] !== defaults[name]
      ? [{ name, value: task[name], from: origin(task) }]
      : name === 'lostAfterSeconds'
        ? patienceOf(queues)
        : [{ name, value: defaults[name], from: 'default' as const }],
  ),
  ...(['requirements', 'conda', 'initEnv', 'cleanEnv', 'postScript', 'image'] as const).flatMap((name) =>
    environmentSetting(name, task, queues),
  ),
]

const origin = ({ isCommand }: TaskSaid): Setting['from'] => (isCommand ? 'submission' : 'work')

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

const environmentSetting = (
  name: keyof Environment,
  { environment, ofWorkflow, ...task }: TaskSaid,
  queues: readonly QueueSaid[],
): Setting[] => {
  const own = environment?.[name]
  if (own !== undefined)
    return [
      {
        name,
        value: own,
        from: own === ofWorkflow?.[name] ? 'workflow' : origin({ environment, ofWorkflow, ...task }),
      },
    ]
  if (packages.includes(name) && packages.some((other) => environment?.[other] !== undefined)) return []
  return queues.flatMap((queue): Setting[] =>
    queue.environment?.[name] ? [{ name, value: queue.environment[name], from: 'queue', queue: queue.name }] : [],
  )
}
