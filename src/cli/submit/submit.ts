import { randomUUID } from 'node:crypto'
import { basename, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Client } from '../../contract/client.ts'
import { maxJobsPerRequest, type NewJob, type NewTask } from '../../contract/tasks.ts'
import { readId } from '../../lib/ids.ts'
import type { Cli } from '../cli.ts'
import { watch } from '../watch.ts'
import { parseLabel, parseMemoryMb, parseSeconds, parseWhole } from './quantities.ts'

type Options = {
  jobs: number
  name?: string
  queue?: string
  cores?: number
  memory?: number
  time?: number
  priority?: number
  label?: Record<string, string>
  after?: { tasks: `t${number}`[]; jobs: `j${number}`[] }
  folder?: string
  wait?: boolean
}

export const submitCommand = (cli: Cli): Command =>
  new Command('submit')
    .description('submit a command to run as one or many jobs')
    .argument('<command...>', 'program and arguments, after --; no shell is involved')
    .option('-n, --jobs <n>', 'so many jobs of it; CULM_INDEX tells them apart, from 0', parseWhole(1), 1)
    .option('--name <name>', 'what people see it called; the name of the program when left out')
    .option('--queue <name>', 'the queue to run in; the broker chooses when left out')
    .option('--cores <n>', 'cores of each job', parseWhole(1))
    .option('--memory <size>', 'limit of each job: 2GB, 512MB', parseMemoryMb)
    .option('--time <duration>', 'limit of each attempt: 90s, 10m, 2h', parseSeconds)
    .option('--priority <n>', '0 to 8000; 1000 when left out', parseWhole(0))
    .option('--label <name=value>', 'to filter and report by; may be repeated', parseLabel)
    .option('--after <ids>', 'tasks and jobs that must be done before: t3,j8', parseAfter)
    .option('--folder <path>', 'folder to run in, on the worker; a fresh one when left out')
    .option('--wait', 'follow it to its end; exit code 0 when it is done, 1 otherwise')
    .addHelpText(
      'after',
      `
  culm submit -- python3 fit.py --seed 7
  culm submit -n 100 --memory 2GB --time 1h -- sh -c 'simulate --seed $CULM_INDEX'

Prints the ids: workflow, task, job (of several the first and the last).`,
    )
    .action(async (command: string[], options: Options) => {
      const client = await cli.client()
      const submitted = await submit(client, taskOf(command, options, cli.world.cwd), options)
      if (!options.wait) return cli.json ? cli.printJson(submitted) : cli.print(idsOf(submitted))
      if (!cli.json) cli.print(idsOf(submitted))
      const workflow = await watch(cli, client, submitted.workflowId)
      if (cli.json)
        cli.printJson({
          ...submitted,
          workflow: workflow ?? (await client.call('getWorkflow', { params: { id: submitted.workflowId } })),
        })
    })

type Submitted = { workflowId: `w${number}`; taskId: `t${number}`; firstJobId: `j${number}`; jobs: number }
type CommandTask = Omit<NewTask, 'workflowId' | 'jobs' | 'open' | 'cores' | 'priority' | 'attempts' | 'labels'> & {
  cores?: number
  priority?: number
  labels?: Record<string, string>
}

const taskOf = (command: string[], options: Options, cwd: string): CommandTask => ({
  name: options.name ?? basename(command[0]!),
  payload: { kind: 'command', command, folder: options.folder && resolve(cwd, options.folder) },
  queue: options.queue,
  cores: options.cores,
  memoryMb: options.memory,
  wallSeconds: options.time,
  priority: options.priority,
  labels: options.label,
  after: options.after?.tasks.length ? options.after.tasks : undefined,
})

/** A workflow of its own, which ends with the task. A task that was refused leaves no empty workflow behind. */
const submit = async (client: Client, task: CommandTask, { jobs, label, after }: Options): Promise<Submitted> => {
  const { workflowId } = await client.call('createWorkflow', {
    body: { name: task.name, kind: 'tasks', labels: label },
    key: randomUUID(),
  })
  const job: NewJob = { args: { text: '{}' }, after: after?.jobs.length ? after.jobs : undefined }
  try {
    const first = Math.min(jobs, maxJobsPerRequest)
    const body = { ...task, workflowId, jobs: Array<NewJob>(first).fill(job), open: first < jobs }
    const { taskId, firstJobId } = await client.call('submitTask', { body, key: randomUUID() })
    for (let firstIndex = first; firstIndex < jobs; ) {
      const part = Math.min(jobs - firstIndex, maxJobsPerRequest)
      const more = { firstIndex, jobs: Array<NewJob>(part).fill(job), close: firstIndex + part === jobs }
      await client.call('addJobs', { params: { id: taskId }, body: more, repeat: true })
      firstIndex += part
    }
    await client.call('closeWorkflow', { params: { id: workflowId }, repeat: true })
    return { workflowId, taskId, firstJobId: firstJobId!, jobs }
  } catch (error) {
    await client
      .call('cancelWorkflow', { params: { id: workflowId }, body: { why: 'it could not be submitted' }, repeat: true })
      .catch(() => {})
    throw error
  }
}

/** Jobs of one request have consecutive ids; of more requests only the first is known. */
const idsOf = ({ workflowId, taskId, firstJobId, jobs }: Submitted): string => {
  const last = jobs > 1 && jobs <= maxJobsPerRequest ? `-j${Number(firstJobId.slice(1)) + jobs - 1}` : ''
  return `${workflowId} ${taskId} ${firstJobId}${last}`
}

/** Commander calls it at each repetition with what came of those before. */
function parseAfter(text: string, before: Options['after'] = { tasks: [], jobs: [] }): NonNullable<Options['after']> {
  const ids = text.split(',').map((id) => id.trim())
  const wrong = ids.find((id) => readId('t', id) === undefined && readId('j', id) === undefined)
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is not the id of a task or job.`)
  const of = (noun: string) => ids.filter((id) => id[0] === noun)
  return {
    tasks: [...before.tasks, ...(of('t') as `t${number}`[])],
    jobs: [...before.jobs, ...(of('j') as `j${number}`[])],
  }
}
