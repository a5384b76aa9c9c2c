import { Command } from 'commander'
import type { Client } from '../contract/client.ts'
import type { LogChunk } from '../contract/jobs.ts'
import type { Cli } from './cli.ts'
import { UsageError } from './errors.ts'
import { naming, type Subject, subjectOf } from './ids.ts'
import { parseWhole } from './submit/quantities.ts'

type Options = { follow?: boolean; attempt?: number; stdout?: boolean; stderr?: boolean; all?: boolean }
type JobId = `j${number}`

/** How long the server may hold a request open until there is more, s. */
const waitSeconds = 20

/** So many jobs are followed at once: each holds a connection. */
const maxFollowed = 32

export const logsCommand = (cli: Cli): Command =>
  new Command('logs')
    .description('what a job has printed')
    .argument('<id>', 'j56; of t34 or w12 it is their only job, or --all')
    .option('-f, --follow', 'go on until it has ended')
    .option('--attempt <n>', 'only of this attempt', parseWhole(1))
    .option('--stdout', 'only standard output')
    .option('--stderr', 'only standard error')
    .option('--all', 'of all jobs, each line with the job that printed it')
    .action(async (text: string, options: Options) => {
      const client = await cli.client()
      const subject = subjectOf(text)
      const jobs = options.all ? await jobsOf(client, subject) : [await onlyJobOf(client, subject)]
      if (options.follow && jobs.length > maxFollowed)
        throw new UsageError(
          `${text} has ${jobs.length} jobs, and ${maxFollowed} can be followed at once`,
          `name one: culm ls ${text}`,
        )
      const writers = jobs.map((id) =>
        cli.json ? jsonWriter(cli, id) : options.all ? prefixWriter(cli, id) : plainWriter(cli),
      )
      const readings = jobs.map((id, i) => async () => {
        for await (const chunk of chunksOf(client, id, options)) writers[i]!.write(chunk)
        writers[i]!.end()
      })
      // Those that are followed print at the same time; the others one after the other.
      if (options.follow) await Promise.all(readings.map((read) => read()))
      else for (const read of readings) await read()
      if (writers.every((writer) => writer.isSilent()))
        cli.note(`${text} has printed nothing${options.follow ? '' : ' so far'}`)
    })

async function* chunksOf(
  client: Client,
  id: JobId,
  { follow, attempt, stdout, stderr }: Options,
): AsyncGenerator<LogChunk> {
  const isWanted = ({ stream }: LogChunk) => stdout === stderr || (stream === 'stdout' ? stdout : stderr)
  let after: string | undefined
  for (;;) {
    const query = { after, attempt, waitSeconds: follow ? waitSeconds : 0 }
    const { items, next, ended } = await naming(id, client.call('jobLog', { params: { id }, query }))
    yield* items.filter(isWanted)
    after = next
    if (follow ? ended : items.length === 0) return
  }
}

const onlyJobOf = async (client: Client, subject: Subject): Promise<JobId> => {
  if (subject.noun === 'j') return subject.id
  const jobs = await jobsOf(client, subject, 2)
  if (jobs.length === 1) return jobs[0]!
  if (jobs.length === 0) throw new UsageError(`${subject.id} has no jobs yet`, `culm show ${subject.id}`)
  throw new UsageError(
    `${subject.id} has several jobs: which is meant?`,
    `culm ls ${subject.id} lists them; culm logs ${subject.id} --all prints all`,
  )
}

/** Jobs of a task, or of all tasks of a workflow; no more than `enough`. */
const jobsOf = async (client: Client, { noun, id }: Subject, enough = Number.POSITIVE_INFINITY): Promise<JobId[]> => {
  if (noun === 'j') return [id]
  const tasks = noun === 't' ? [id] : await tasksOf(client, id)
  const jobs: JobId[] = []
  for (const taskId of tasks) {
    let after: string | undefined
    do {
      const page = await naming(
        taskId,
        client.call('listJobs', { params: { id: taskId }, query: { limit: 200, after } }),
      )
      jobs.push(...page.items.map((job) => job.id))
      after = page.next ?? undefined
    } while (after && jobs.length < enough)
    if (jobs.length >= enough) break
  }
  return jobs
}

const tasksOf = async (client: Client, workflowId: `w${number}`): Promise<`t${number}`[]> => {
  await naming(workflowId, client.call('getWorkflow', { params: { id: workflowId } }))
  const tasks: `t${number}`[] = []
  let after: string | undefined
  do {
    const page = await client.call('listTasks', { query: { workflowId, limit: 200, after } })
    tasks.push(...page.items.map((task) => task.id))
    after = page.next ?? undefined
  } while (after)
  return tasks.reverse()
}

type Writer = { write(chunk: LogChunk): void; end(): void; isSilent(): boolean }

/** What a job printed on standard output goes there, and so does standard error. Between attempts people are told. */
const plainWriter = (cli: Cli): Writer => {
  let last: number | undefined
  return {
    write: ({ attempt, stream, text }) => {
      if (attempt !== last && (last !== undefined || attempt > 1)) cli.note(`attempt ${attempt}:`)
      last = attempt
      cli.world[stream].write(text)
    },
    end: () => {},
    isSilent: () => last === undefined,
  }
}

/** Whole lines only, so that the lines of several jobs do not mix. */
const prefixWriter = (cli: Cli, id: JobId): Writer => {
  const rest = { stdout: '', stderr: '' }
  let isSilent = true
  const put = (stream: 'stdout' | 'stderr', line: string) =>
    cli.world[stream].write(`${cli.style(cli.world[stream]).colors.dim(`${id} |`)} ${line}\n`)
  return {
    write: ({ stream, text }) => {
      isSilent = false
      const lines = (rest[stream] + text).split('\n')
      rest[stream] = lines.pop()!
      for (const line of lines) put(stream, line)
    },
    end: () => {
      for (const stream of ['stdout', 'stderr'] as const) if (rest[stream] !== '') put(stream, rest[stream])
    },
    isSilent: () => isSilent,
  }
}

const jsonWriter = (cli: Cli, jobId: JobId): Writer => ({
  write: (chunk) => cli.printJson({ jobId, ...chunk }),
  end: () => {},
  // To a program nothing is nothing.
  isSilent: () => false,
})
