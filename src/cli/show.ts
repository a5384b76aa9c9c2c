import { Command } from 'commander'
import type { Value } from '../contract/base.ts'
import type { Client } from '../contract/client.ts'
import type { AttemptView, Explanation, Job, Move, RemoteError } from '../contract/jobs.ts'
import type { Payload, Setting, Task } from '../contract/tasks.ts'
import type { MetricLine, ProgressView } from '../contract/told.ts'
import type { Workflow } from '../contract/workflows.ts'
import type { Cli } from './cli.ts'
import { UsageError } from './errors.ts'
import { explain, reasonLines, remedyLines } from './explain.ts'
import { firstFound } from './firstFound.ts'
import { naming, type Subject, subjectOf } from './ids.ts'
import { stateCell, stateText, withNumbers } from './look/states.ts'
import type { Style } from './look/style.ts'
import { type Cell, table } from './look/table.ts'
import { plainText } from './look/textWidth.ts'
import { ago, duration, localTime, secondsBetween } from './look/times.ts'
import { megabytes, showArguments, showSent } from './look/values.ts'
import { tables } from './ls.ts'
import { troubleLines, troublesOf } from './troubles.ts'

/** So many moves and rows are shown; `culm ls` and `--json` have the rest. */
const maxMoves = 30
const maxRows = 20

/** Lock files are long; `--json` has all of them. */
const maxSettingLength = 200

/** Pages of history that are read; one page is 200 moves. */
const maxPages = 10

export const showCommand = (cli: Cli): Command =>
  new Command('show')
    .description('all there is to know of a workflow, task or job')
    .argument('<id>', 'w12, t34 or j56')
    .option('--metrics', 'of a job, what it has told by `report`, as a table')
    .option('--effective', 'every setting in force and who said it: its work, its workflow, a queue, or nobody')
    .action(async (text: string, { metrics, effective }: { metrics?: boolean; effective?: boolean }) => {
      const client = await cli.client()
      const subject = subjectOf(text)
      if (metrics) return showMetrics(cli, client, subject)
      if (effective) return showEffective(cli, client, subject)
      const found = await { w: findWorkflow, t: findTask, j: findJob }[subject.noun](client, subject.id as never)
      const explanation = await explain(client, subject)
      if (cli.json) return cli.printJson({ ...found.row, ...found.parts, history: found.history, explanation })
      const style = cli.style()
      cli.print(
        ...sections([...found.sections(style), historyLines(found.history, style), nextLines(explanation, style)]),
      )
    })

const showMetrics = async (cli: Cli, client: Client, subject: Subject): Promise<void> => {
  if (subject.noun !== 'j')
    throw new UsageError(`only jobs tell metrics, and ${subject.id} is none`, `culm ls ${subject.id} lists its jobs`)
  const items: MetricLine[] = []
  for await (const page of metricPages(client, subject.id)) items.push(...page)
  if (cli.json) return cli.printJson(items)
  if (items.length === 0) return cli.note(`${subject.id} has told no metrics so far`)
  cli.print(...metricLines(items, cli.style()))
}

const showEffective = async (cli: Cli, client: Client, subject: Subject): Promise<void> => {
  const { items } = await naming(subject.id, settingsOf(client, subject))
  if (cli.json) return cli.printJson(items)
  const columns = [{ title: 'setting' }, { title: 'value', flexible: true }, { title: 'said by' }]
  const rows = items.map(({ name, value, from, queue }): Cell[] => [
    name,
    value === null ? 'none' : String(value).slice(0, maxSettingLength),
    queue ? `${from} ${queue}` : from,
  ])
  cli.print(...table(columns, rows, cli.style()))
}

const settingsOf = (client: Client, { noun, id }: Subject): Promise<{ items: Setting[] }> => {
  if (noun === 'w') return client.call('workflowSettings', { params: { id: id as `w${number}` } })
  if (noun === 't') return client.call('taskSettings', { params: { id: id as `t${number}` } })
  return client.call('jobSettings', { params: { id: id as `j${number}` } })
}

async function* metricPages(client: Client, id: `j${number}`): AsyncGenerator<MetricLine[]> {
  for (let after: string | undefined; ; ) {
    const query = { after, limit: 1000 }
    const { items, next } = await naming(id, client.call('jobMetrics', { params: { id }, query }))
    if (items.length === 0) return
    yield items
    after = next
  }
}

const metricLines = (items: MetricLine[], style: Style): string[] => {
  const columns = [
    { title: 'metric', flexible: true },
    { title: 'step', right: true },
    { title: 'value' },
    { title: 'attempt', right: true },
    { title: 'at' },
  ]
  const rows = items.map(({ name, step, value, attempt, at }): Cell[] => [
    name,
    String(step),
    String(value),
    String(attempt),
    { text: localTime(at), paint: style.colors.dim },
  ])
  return table(columns, rows, style)
}

/** What was found of one thing: its row and parts for programs, its sections for people. */
type Found = { row: object; parts: object; history: Move[]; sections(style: Style): string[][] }

const findWorkflow = async (client: Client, id: `w${number}`): Promise<Found> => {
  const row = await naming(id, client.call('getWorkflow', { params: { id } }))
  const [tasks, history] = await Promise.all([
    client.call('listTasks', { query: { workflowId: id, limit: maxRows } }),
    movesOf(client, row.id, id),
  ])
  return {
    row,
    parts: { taskRows: tasks.items },
    history,
    sections: (style) => [
      workflowLines(row, style),
      tasks.items.length > 0 ? tables.tasks(tasks.items, style) : [],
      tasks.next ? [style.colors.dim(`the last ${maxRows} tasks; all of them: culm ls ${id} -n 1000`)] : [],
      errorLines(row.error, style),
    ],
  }
}

const findTask = async (client: Client, id: `t${number}`): Promise<Found> => {
  const row = await naming(id, client.call('getTask', { params: { id } }))
  const [troubles, failed, all, history] = await Promise.all([
    troublesOf(client, { noun: 't', id }),
    row.counts.failed
      ? firstFound((after) =>
          client.call('listJobs', { params: { id }, query: { limit: maxRows, state: 'failed', after } }),
        )
      : { items: [] },
    client.call('listJobs', { params: { id }, query: { limit: maxRows } }),
    movesOf(client, row.workflowId, id),
  ])
  // Of many jobs those that failed are what one looks for.
  const jobs = all.next && failed.items.length > 0 ? failed : all
  const which = jobs === failed ? 'failed jobs' : 'jobs'
  return {
    row,
    parts: { jobRows: jobs.items, troubles },
    history,
    sections: (style) => [
      taskLines(row, style),
      troubleLines(troubles, '', style),
      jobs.items.length > 0 ? tables.jobs(jobs.items, style) : [],
      all.next
        ? [
            style.colors.dim(
              `${jobs.items.length} ${which} of ${row.counts.total}; all of them: culm ls ${id} -n ${row.counts.total}`,
            ),
          ]
        : [],
    ],
  }
}

const findJob = async (client: Client, id: `j${number}`): Promise<Found> => {
  const row = await naming(id, client.call('getJob', { params: { id } }))
  const history = await upTo(maxPages, (after) =>
    client.call('jobHistory', { params: { id }, query: { limit: 200, after } }),
  )
  return {
    row,
    parts: {},
    history,
    sections: (style) => [
      jobLines(row, style),
      attemptLines(row.attempts, style),
      errorLines(row.error ?? row.attempts.at(-1)?.error ?? null, style),
    ],
  }
}

/** Moves of one thing, out of those of its workflow. */
const movesOf = async (client: Client, workflowId: `w${number}`, id: string): Promise<Move[]> => {
  const moves = await upTo(maxPages, (after) =>
    client.call('workflowHistory', { params: { id: workflowId }, query: { limit: 200, after } }),
  )
  return moves.filter((move) => move.id === id)
}

const upTo = async <T>(
  pages: number,
  fetch: (after?: string) => Promise<{ items: T[]; next: string | null }>,
): Promise<T[]> => {
  const items: T[] = []
  let after: string | undefined
  for (let n = 0; n < pages; n++) {
    const page = await fetch(after)
    items.push(...page.items)
    if (!page.next) break
    after = page.next
  }
  return items
}

const workflowLines = (row: Workflow, style: Style): string[] =>
  header(row.id, row.name, stateText('workflow', row.state, style, withNumbers(row.state, row.jobs)), style, [
    ['kind', row.kind],
    ['owner', `${row.owner}, group ${row.group}`],
    [
      'tasks',
      `${row.tasks.ended} of ${row.tasks.total} ended${row.tasks.failed > 0 ? `, ${row.tasks.failed} failed` : ''}`,
    ],
    ['jobs', countsText(row.jobs)],
    ...times(row, style),
    ['program', row.program ?? ''],
    ['run', row.run ?? ''],
    ['driver', row.driverSeenAt && !row.endedAt ? `seen ${ago(row.driverSeenAt, style.now)} ago` : ''],
    ['labels', labelsText(row.labels)],
    ['why', row.why ?? ''],
    ['value', valueText(row.value, style)],
  ])

const taskLines = (row: Task, style: Style): string[] =>
  header(row.id, row.name, stateText('task', row.state, style, withNumbers(row.state, row.counts)), style, [
    ['workflow', row.workflowId],
    ['called by', row.parentJobId ?? ''],
    ['runs', payloadText(row.payload)],
    ['queue', row.queue ?? ''],
    ['needs', needsText(row)],
    ['owner', row.owner],
    ['jobs', countsText(row.counts)],
    ['retried', row.round > 0 ? (row.round === 1 ? 'once' : `${row.round} times`) : ''],
    ...times(row, style),
    ['labels', labelsText(row.labels)],
  ])

const jobLines = (row: Job, style: Style): string[] =>
  header(row.id, `${row.name} [${row.index}]`, stateText('job', row.state, style), style, [
    ['task', `${row.taskId} of ${row.workflowId}`],
    ['owner', row.owner],
    [
      'waits',
      [row.unmet > 0 ? `for ${row.unmet} others` : '', row.heldBy ? `held by ${row.heldBy}` : '']
        .filter(Boolean)
        .join(', '),
    ],
    ['progress', row.progress ? progressText(row.progress, style) : ''],
    [
      'checkpoint',
      row.checkpoint
        ? `${megabytes(row.checkpoint.bytes / 1e6)} of attempt ${row.checkpoint.attempt}, kept ${ago(row.checkpoint.at, style.now)} ago`
        : '',
    ],
    ['cancel', row.cancelAsked && !['cancelled', 'finished', 'failed'].includes(row.state) ? 'asked for' : ''],
    ['arguments', showArguments(row.args, style)],
    ['value', valueText(row.value, style)],
    ['cause', row.cause ?? ''],
  ])

/** `3 of 10 (30%), fitting, 12s ago`. */
const progressText = ({ done, total, text, at }: ProgressView, { now }: Style): string => {
  const percent = total ? ` (${Math.floor((100 * done) / total)}%)` : ''
  const amount = total === null ? String(done) : `${done} of ${total}${percent}`
  return [amount, plainText(text ?? ''), `${ago(at, now)} ago`].filter(Boolean).join(', ')
}

/** A title, and below it what is known, by name. */
const header = (id: string, name: string, state: string, { colors }: Style, fields: [string, string][]): string[] => {
  const told = fields.filter(([, text]) => text !== '')
  const width = Math.max(...told.map(([title]) => title.length))
  const line = ([title, text]: [string, string]) =>
    `  ${colors.dim(title.padEnd(width))}  ${text.replaceAll('\n', `\n${' '.repeat(width + 4)}`)}`
  return [`${colors.bold(id)} ${plainText(name)}  ${state}`, ...told.map(line)]
}

const times = (
  { createdAt, endedAt }: { createdAt: string; endedAt: string | null },
  { now }: Style,
): [string, string][] => [
  ['created', `${localTime(createdAt)} (${ago(createdAt, now)} ago)`],
  ['ended', endedAt ? `${localTime(endedAt)}, after ${duration(secondsBetween(createdAt, endedAt))}` : ''],
]

const countsText = ({ total, ...states }: Workflow['jobs']): string => {
  const parts = Object.entries(states).map(([state, n]) => `${n} ${state}`)
  return parts.length > 0 ? `${total}: ${parts.join(', ')}` : String(total)
}

/** In the words of `culm submit` and of works; what is as when nothing is asked for is left out. */
const needsText = ({ cores, memoryMb, gpus, wallSeconds, priority, attempts, lostAfterSeconds }: Task): string =>
  [
    `cores ${cores}`,
    memoryMb === null ? '' : `memory ${megabytes(memoryMb)}`,
    gpus === 0 ? '' : `gpus ${gpus}`,
    wallSeconds === null ? '' : `time ${duration(wallSeconds)}`,
    priority === usual.priority ? '' : `priority ${priority}`,
    ...Object.entries(attempts)
      .filter(([cause, n]) => n !== usual.attempts[cause])
      .map(([cause, n]) => `attempts ${cause}=${n}`),
    lostAfterSeconds === null ? '' : `lost after ${duration(lostAfterSeconds)}`,
  ]
    .filter(Boolean)
    .join(', ')

/** As in `needs` of `contract/tasks.ts`. */
const usual = { priority: 1000, attempts: { user: 1, site: 3, lost: 5 } as Record<string, number> }

/** Commands have no value, and say so by null. */
const valueText = (value: Value | null, style: Style): string =>
  value === null || ('text' in value && value.text === 'null') ? '' : showSent(value, style)

const labelsText = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')

const payloadText = (payload: Payload): string =>
  payload.kind === 'command'
    ? payload.command.map(shellWord).join(' ') + (payload.folder ? `  (in ${payload.folder})` : '')
    : `${payload.export} of ${payload.module} (${payload.language}, bundle ${payload.bundle.slice(0, 12)})`

const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

const attemptLines = (attempts: AttemptView[], style: Style): string[] => {
  if (attempts.length === 0) return []
  const columns = ['attempt', 'end', 'cause', 'exit', 'pilot', 'host', 'sent', 'ran', 'memory'].map((title) => ({
    title,
    flexible: title === 'host',
  }))
  return table(
    columns,
    attempts.map((attempt) => attemptCells(attempt, style)),
    style,
  )
}

const attemptCells = (a: AttemptView, style: Style): Cell[] => {
  const seconds = a.usage?.wallSeconds ?? (a.startedAt ? secondsBetween(a.startedAt, a.endedAt ?? style.now) : null)
  return [
    String(a.attempt),
    a.end ? stateCell('attempt', a.end, style) : stateCell('job', underWay(a), style),
    a.cause ?? '',
    a.signal ?? (a.exitCode === null ? '' : String(a.exitCode)),
    a.pilotId ?? '',
    a.host ?? '',
    localTime(a.sentAt),
    seconds === null ? '' : duration(seconds),
    a.usage?.maxRssMb === undefined ? '' : megabytes(a.usage.maxRssMb),
  ]
}

/** One whose payload has ended waits for its value. */
const underWay = ({ startedAt, endedAt }: AttemptView): 'holding' | 'running' | 'sent' => {
  if (endedAt) return 'holding'
  return startedAt ? 'running' : 'sent'
}

/** The stack of the place where it was raised, which begins with the error itself. */
const errorLines = (error: RemoteError | null, { colors }: Style): string[] => {
  if (!error) return []
  const { type, message, stack } = error
  const said = `${type}: ${message}`
  const lines = plainText(stack?.includes(message) ? stack : [said, stack].filter(Boolean).join('\n'))
    .trimEnd()
    .split('\n')
  return lines.map((line) => (line.startsWith(' ') ? line : colors.red(line)))
}

const historyLines = (moves: Move[], style: Style): string[] => {
  const { colors } = style
  const rows = moves
    .slice(-maxMoves)
    .map(({ at, from, to, trigger, why }): Cell[] => [
      { text: localTime(at), paint: colors.dim },
      from && from !== to ? `${from} ${style.unicode ? '→' : '->'} ${to}` : to,
      { text: why ? `${trigger}: ${why}` : trigger, paint: colors.dim },
    ])
  const columns = [{ title: 'history' }, { title: 'state' }, { title: 'by', flexible: true }]
  return rows.length === 0 ? [] : table(columns, rows, style)
}

/** For what went well the state says it all. */
const nextLines = (explanation: Explanation, style: Style): string[] => [
  ...(explanation.cause === explanation.state ? [] : reasonLines(explanation, `${style.colors.dim('why:')} `, style)),
  ...remedyLines(explanation.remedy, style),
]

/** Sections stand apart. */
const sections = (all: string[][]): string[] =>
  all.filter((lines) => lines.length > 0).flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]))
