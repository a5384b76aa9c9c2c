import { Command } from 'commander'
import type { Value } from '../contract/base.ts'
import type { Client } from '../contract/client.ts'
import type { AttemptView, Explanation, Job, Move, RemoteError } from '../contract/jobs.ts'
import type { Payload, Task } from '../contract/tasks.ts'
import type { Workflow } from '../contract/workflows.ts'
import type { Cli } from './cli.ts'
import { explain, reasonLines, remedyLines } from './explain.ts'
import { naming, subjectOf } from './ids.ts'
import { stateCell, stateText, withNumbers } from './look/states.ts'
import type { Style } from './look/style.ts'
import { type Cell, table } from './look/table.ts'
import { plainText } from './look/textWidth.ts'
import { ago, duration, localTime, secondsBetween } from './look/times.ts'
import { megabytes, showArguments, showSent } from './look/values.ts'
import { tables } from './ls.ts'

/** So many moves and rows are shown; `culm ls` and `--json` have the rest. */
const maxMoves = 30
const maxRows = 20

/** Pages of history that are read; one page is 200 moves. */
const maxPages = 10

export const showCommand = (cli: Cli): Command =>
  new Command('show')
    .description('all there is to know of a workflow, task or job')
    .argument('<id>', 'w12, t34 or j56')
    .action(async (text: string) => {
      const client = await cli.client()
      const subject = subjectOf(text)
      const found = await { w: findWorkflow, t: findTask, j: findJob }[subject.noun](client, subject.id as never)
      const explanation = await explain(client, subject)
      if (cli.json) return cli.printJson({ ...found.row, ...found.parts, history: found.history, explanation })
      const style = cli.style()
      cli.print(
        ...sections([...found.sections(style), historyLines(found.history, style), nextLines(explanation, style)]),
      )
    })

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
  const [failed, all, history] = await Promise.all([
    client.call('listJobs', { params: { id }, query: { limit: maxRows, state: 'failed' } }),
    client.call('listJobs', { params: { id }, query: { limit: maxRows } }),
    movesOf(client, row.workflowId, id),
  ])
  // Of many jobs those that failed are what one looks for.
  const jobs = all.next && failed.items.length > 0 ? failed : all
  const which = jobs === failed ? 'failed jobs' : 'jobs'
  return {
    row,
    parts: { jobRows: jobs.items },
    history,
    sections: (style) => [
      taskLines(row, style),
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
    ['owner', row.owner],
    ['jobs', countsText(row.counts)],
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
    ['cancel', row.cancelAsked && !['cancelled', 'finished', 'failed'].includes(row.state) ? 'asked for' : ''],
    ['arguments', showArguments(row.args, style)],
    ['value', valueText(row.value, style)],
    ['cause', row.cause ?? ''],
  ])

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
