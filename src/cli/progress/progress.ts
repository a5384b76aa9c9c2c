import type { Task } from '../../contract/tasks.ts'
import type { Workflow } from '../../contract/workflows.ts'

/** What is to be seen of a workflow at one moment. */
export type ProgressView = {
  id: string
  name: string
  state: Workflow['state']
  /** How long it has been going on, or took. */
  seconds: number
  groups: readonly Group[]
}

/** The tasks of one name: a function that is called a thousand times is one line for people. Numbers are of jobs. */
export type Group = {
  name: string
  total: number
  finished: number
  failed: number
  cancelled: number
  /** Under way at pilots, or awaiting calls of their own; what a pilot only has in hand is not. */
  running: number
  /** How many end in a second, lately; null when there is too little to tell. */
  rate: number | null
}

export type TaskNews = { taskId: string; name: string; counts: Task['counts'] }

/** What a rate is taken from: long enough to be steady, short enough to be news, ms. */
const rateWindowMs = 10_000
const leastRateMs = 1000

/** Samples are this far apart at least, ms: a crowd of small news is one. */
const sampleMs = 200

type Sample = { at: number; ended: number }
type Gathered = Omit<Group, 'rate'> & { samples: Sample[] }

/** Gathers what comes of a workflow. Each word of news costs the same, however many tasks there are. */
export class Progress {
  #workflow: Workflow
  readonly #tasks = new Map<string, TaskNews['counts']>()
  readonly #groups = new Map<string, Gathered>()

  constructor(workflow: Workflow) {
    this.#workflow = workflow
  }

  get workflow(): Workflow {
    return this.#workflow
  }

  /** Nothing is under way that has been heard of. */
  get isQuiet(): boolean {
    return [...this.#groups.values()].every((group) => endedOf(group) === group.total)
  }

  seeWorkflow(workflow: Workflow): void {
    this.#workflow = workflow
  }

  seeTask({ taskId, name, counts }: TaskNews, now: Date): void {
    const group = this.#groups.get(name) ?? emptyGroup(name)
    this.#groups.set(name, group)
    const before = this.#tasks.get(taskId)
    if (before) add(group, before, -1)
    add(group, counts, 1)
    this.#tasks.set(taskId, counts)
    takeSample(group, now.getTime())
  }

  view(now: Date): ProgressView {
    const { id, name, state, createdAt, endedAt } = this.#workflow
    const seconds = (new Date(endedAt ?? now).getTime() - new Date(createdAt).getTime()) / 1000
    const groups = [...this.#groups.values()].map(({ samples, ...group }) => ({
      ...group,
      rate: rateOf(group, samples, now.getTime()),
    }))
    return { id, name, state, seconds: Math.max(0, seconds), groups }
  }
}

export const endedOf = ({ finished, failed, cancelled }: Pick<Group, 'finished' | 'failed' | 'cancelled'>): number =>
  finished + failed + cancelled

const emptyGroup = (name: string): Gathered => ({
  name,
  total: 0,
  finished: 0,
  failed: 0,
  cancelled: 0,
  running: 0,
  samples: [],
})

const add = (group: Gathered, counts: TaskNews['counts'], sign: 1 | -1): void => {
  const sum = (...states: (keyof typeof counts)[]) => sign * states.reduce((n, state) => n + (counts[state] ?? 0), 0)
  group.total += sum('total')
  group.finished += sum('finished')
  group.failed += sum('failed')
  group.cancelled += sum('cancelled', 'closed')
  group.running += sum('starting', 'running', 'awaiting', 'holding', 'transferring', 'merging')
}

const takeSample = (group: Gathered, now: number): void => {
  const last = group.samples.at(-1)
  if (last && now - last.at < sampleMs) return
  group.samples.push({ at: now, ended: endedOf(group) })
  while (group.samples.length > 1 && now - group.samples[1]!.at >= rateWindowMs) group.samples.shift()
}

/** From the oldest sample of the window to now: so it falls when nothing comes. Nothing to tell when all has ended. */
const rateOf = (
  group: Pick<Group, 'finished' | 'failed' | 'cancelled' | 'total'>,
  samples: readonly Sample[],
  now: number,
): number | null => {
  const first = samples[0]
  const ended = endedOf(group)
  if (!first || ended === group.total || now - first.at < leastRateMs || ended <= first.ended) return null
  return ((ended - first.ended) * 1000) / (now - first.at)
}
