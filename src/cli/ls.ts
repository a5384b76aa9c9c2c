import { Argument, Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { JobLine } from '../contract/jobs.ts'
import type { Pilot, Queue } from '../contract/pilots.ts'
import type { Task } from '../contract/tasks.ts'
import type { Workflow } from '../contract/workflows.ts'
import type { Cli } from './cli.ts'
import { UsageError } from './errors.ts'
import { naming, type Subject, subjectOf } from './ids.ts'
import { type States, stateCell, statesOf, withNumbers } from './look/states.ts'
import type { Style } from './look/style.ts'
import { type Cell, type Column, table } from './look/table.ts'
import { ago } from './look/times.ts'
import { parseLabel, parseWhole } from './submit/quantities.ts'

const kinds = ['workflows', 'tasks', 'jobs', 'queues', 'pilots'] as const
type Kind = (typeof kinds)[number]
type Options = { state?: string; owner?: string; label?: Record<string, string>; all?: boolean; limit: number }

export const lsCommand = (cli: Cli): Command =>
  new Command('ls')
    .description('list workflows, tasks, jobs, queues or pilots')
    .addArgument(new Argument('[what]', `${kinds.join(', ')}; w12 is its tasks, t34 its jobs`).default('workflows'))
    .argument('[id]', 'the workflow or task whose tasks or jobs are meant')
    .option('--state <state>', 'only those in this state')
    .option('--owner <name>', 'only those of this person; your own when left out')
    .option('--label <name=value>', 'only those with this label; may be repeated', parseLabel)
    .option('-a, --all', "everybody's")
    .option('-n, --limit <n>', 'so many at most', parseWhole(1), 20)
    .action(async (what: string, id: string | undefined, options: Options) => {
      const wanted = wantedOf(what, id)
      const client = await cli.client()
      const { items, isAll } = await upTo(options.limit, wanted.pages(client, options))
      if (cli.json) return cli.printJson(items)
      if (items.length === 0)
        return cli.note(options.state || options.label || wanted.about ? 'none' : `no ${wanted.kind} yet`)
      cli.print(...tables[wanted.kind](items as never, cli.style()))
      if (!isAll) cli.note(`the first ${items.length}; more with -n`)
    })

type Pages = AsyncGenerator<unknown[]>
type Wanted = { kind: Kind; about?: string; pages(client: Client, options: Options): Pages }

/** `ls`, `ls tasks`, `ls w12`, `ls tasks w12`. */
const wantedOf = (what: string, id: string | undefined): Wanted => {
  if (!isKind(what)) return id === undefined ? below(subjectOf(what)) : below(subjectOf(id), what)
  if (id !== undefined) return below(subjectOf(id), what)
  if (what === 'jobs') throw new UsageError('which jobs? Say whose they are', 'culm ls t34 lists the jobs of a task')
  return { kind: what, pages: (client, options) => everywhere[what](client, options) }
}

const isKind = (text: string): text is Kind => (kinds as readonly string[]).includes(text)

const below = (subject: Subject, asked?: string): Wanted => {
  const { noun, id } = subject
  const wanted: Wanted | undefined =
    noun === 'w'
      ? { kind: 'tasks', about: id, pages: (client, options) => tasksOf(client, id, options) }
      : noun === 't'
        ? { kind: 'jobs', about: id, pages: (client, options) => jobsOf(client, id, options) }
        : undefined
  if (!wanted) throw new UsageError(`a job has nothing below it`, `culm show ${id}`)
  if (asked !== undefined && asked !== wanted.kind)
    throw new UsageError(`${id} has no ${asked} to list`, `culm ls ${id} lists its ${wanted.kind}`)
  return wanted
}

const everywhere: Record<Exclude<Kind, 'jobs'>, (client: Client, options: Options) => Pages> = {
  workflows: async function* (client, options) {
    const state = checkedState(options.state, 'workflow')
    const owner = await ownerMeant(client, options)
    const label = labelsMeant(options)
    yield* paged(options.limit, (page) => client.call('listWorkflows', { query: { ...page, state, owner, label } }))
  },
  tasks: async function* (client, options) {
    const state = checkedState(options.state, 'task')
    const owner = await ownerMeant(client, options)
    const label = labelsMeant(options)
    yield* paged(options.limit, (page) => client.call('listTasks', { query: { ...page, state, owner, label } }))
  },
  queues: async function* (client, { state }) {
    yield (await client.call('listQueues')).items.filter((queue) => state === undefined || queue.state === state)
  },
  pilots: async function* (client, { state, limit }) {
    for await (const items of paged(limit, (page) => client.call('listPilots', { query: page })))
      yield items.filter((pilot) => state === undefined || pilot.state === state)
  },
}

async function* tasksOf(client: Client, workflowId: `w${number}`, options: Options): Pages {
  const state = checkedState(options.state, 'task')
  const label = labelsMeant(options)
  await naming(workflowId, client.call('getWorkflow', { params: { id: workflowId } }))
  yield* paged(options.limit, (page) => client.call('listTasks', { query: { ...page, state, label, workflowId } }))
}

async function* jobsOf(client: Client, id: `t${number}`, options: Options): Pages {
  const state = checkedState(options.state, 'job')
  yield* paged(options.limit, (page) =>
    naming(id, client.call('listJobs', { params: { id }, query: { ...page, state } })),
  )
}

const ownerMeant = async (client: Client, { owner, all }: Options): Promise<string | undefined> => {
  if (all) return undefined
  return owner ?? (await client.call('me')).name
}

const labelsMeant = ({ label = {} }: Options): string[] | undefined => {
  const wanted = Object.entries(label).map(([name, value]) => `${name}=${value}`)
  return wanted.length > 0 ? wanted : undefined
}

const checkedState = <N extends 'workflow' | 'task' | 'job'>(
  text: string | undefined,
  noun: N,
): States[N] | undefined => {
  if (text === undefined) return undefined
  const states: readonly string[] = statesOf(noun)
  if (states.includes(text)) return text as States[N]
  throw new UsageError(`"${text}" is no state of a ${noun}`, `one of ${states.join(', ')}`)
}

/** One more than is wanted is asked for, which tells whether there are more. */
async function* paged<T>(
  limit: number,
  fetch: (page: { limit: number; after?: string }) => Promise<{ items: T[]; next: string | null }>,
): AsyncGenerator<T[]> {
  let after: string | undefined
  do {
    const { items, next } = await fetch({ limit: Math.min(limit + 1, 200), after })
    yield items
    after = next ?? undefined
  } while (after)
}

const upTo = async (limit: number, pages: Pages): Promise<{ items: unknown[]; isAll: boolean }> => {
  const items: unknown[] = []
  for await (const page of pages) {
    items.push(...page)
    if (items.length > limit) return { items: items.slice(0, limit), isAll: false }
  }
  return { items, isAll: true }
}

/** A column with what stands in it for each row. */
type Field<T> = Column & { cell: (row: T, style: Style) => Cell }

const tableOf =
  <T>(...fields: Field<T>[]) =>
  (rows: readonly T[], style: Style): string[] =>
    table(
      fields,
      rows.map((row) => fields.map((field) => field.cell(row, style))),
      style,
    )

const right = true
const flexible = true

export const tables = {
  workflows: tableOf<Workflow>(
    { title: 'id', cell: ({ id }) => id },
    { title: 'name', flexible, cell: ({ name }) => name },
    { title: 'state', cell: ({ state, jobs }, style) => stateCell('workflow', state, style, withNumbers(state, jobs)) },
    { title: 'tasks', right, cell: ({ tasks }) => `${tasks.ended}/${tasks.total}` },
    { title: 'jobs', right, cell: ({ jobs }) => String(jobs.total) },
    { title: 'owner', flexible, cell: ({ owner }) => owner },
    { title: 'age', right, cell: ({ createdAt }, { now }) => ago(createdAt, now) },
  ),
  tasks: tableOf<Task>(
    { title: 'id', cell: ({ id }) => id },
    { title: 'name', flexible, cell: ({ name }) => name },
    { title: 'state', cell: ({ state, counts }, style) => stateCell('task', state, style, withNumbers(state, counts)) },
    { title: 'jobs', right, cell: ({ counts }) => String(counts.total) },
    { title: 'queue', flexible, cell: ({ queue }) => queue ?? '' },
    { title: 'workflow', cell: ({ workflowId }) => workflowId },
    { title: 'owner', flexible, cell: ({ owner }) => owner },
    { title: 'age', right, cell: ({ createdAt }, { now }) => ago(createdAt, now) },
  ),
  jobs: tableOf<JobLine>(
    { title: 'id', cell: ({ id }) => id },
    { title: 'index', right, cell: ({ index }) => String(index) },
    { title: 'state', cell: (job, style) => stateCell('job', job.state, style, waitingFor(job)) },
    { title: 'attempt', right, cell: ({ attempt }) => (attempt > 0 ? String(attempt) : '') },
    { title: 'cause', cell: ({ cause }) => cause ?? '' },
  ),
  queues: tableOf<Queue>(
    { title: 'name', flexible, cell: ({ name }) => name },
    { title: 'site', flexible, cell: ({ site }) => site },
    { title: 'state', cell: ({ state }, style) => stateCell('queue', state, style) },
    { title: 'pilots', right, cell: ({ pilots }) => String(pilots) },
    { title: 'slots', right, cell: ({ slots }) => String(slots) },
    { title: 'gpus', right, cell: ({ gpus }) => String(gpus) },
    { title: 'running', right, cell: ({ running }) => String(running) },
    { title: 'waiting', right, cell: ({ waiting }) => String(waiting) },
  ),
  pilots: tableOf<Pilot>(
    { title: 'id', cell: ({ id }) => id },
    { title: 'name', flexible, cell: ({ name }) => name },
    { title: 'state', cell: ({ state }, style) => stateCell('pilot', state, style) },
    { title: 'queue', flexible, cell: ({ queue }) => queue },
    { title: 'host', flexible, cell: ({ host }) => host },
    { title: 'jobs', right, cell: ({ jobs }) => String(jobs) },
    { title: 'slots', right, cell: ({ slots }) => String(slots) },
    { title: 'gpus', right, cell: ({ gpus }) => String(gpus) },
    { title: 'seen', right, cell: ({ seenAt }, { now }) => ago(seenAt, now) },
    { title: 'started', right, cell: ({ startedAt }, { now }) => ago(startedAt, now) },
  ),
}

/** What a job that does not run yet waits for. */
const waitingFor = ({ state, unmet, heldBy }: JobLine): string => {
  if (state === 'pending' && unmet > 0) return `${state}, waits for ${unmet}`
  return state === 'activated' && heldBy ? `${state}, held by ${heldBy}` : state
}
