import { basename, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { WantedSecret } from '../../contract/secrets.ts'
import { readId } from '../../lib/ids.ts'
import { type EnvironmentOptions, environmentOf } from '../../sdk/environment.ts'
import type { Cli } from '../cli.ts'
import { withEnvironment } from '../environmentOptions.ts'
import { watch } from '../watch.ts'
import {
  parseAttempts,
  parseLabel,
  parseMemoryMb,
  parseSeconds,
  parseSecret,
  parseSecretFile,
  parseWhole,
} from './quantities.ts'
import type { Submitted, WantedTask } from './submitTask.ts'

type Options = EnvironmentOptions & {
  jobs: number
  name?: string
  queue?: string
  site?: string
  cores?: number
  memory?: number
  gpus?: number
  time?: number
  priority?: number
  attempts?: WantedTask['attempts']
  lostAfter?: number
  label?: Record<string, string>
  after?: { tasks: `t${number}`[]; jobs: `j${number}`[] }
  folder?: string
  cache?: boolean
  secret?: WantedSecret[]
  secretFile?: WantedSecret[]
  wait?: boolean
}

export const submitCommand = (cli: Cli): Command =>
  withEnvironment(withNeeds(new Command('submit')))
    .description('submit a command to run as one or many jobs')
    .argument('<command...>', 'program and arguments, after --; no shell is involved')
    .option('--secret <name=VAR>', 'a secret of yours as variable; may be repeated', parseSecret)
    .option('--secret-file <name=file>', 'one as $CULM_SECRETS/file; file:VAR puts its path into VAR', parseSecretFile)
    .option('--wait', 'follow it to its end; exit code 0 when it is done, 1 otherwise')
    .addHelpText(
      'after',
      `
  culm submit -- python3 fit.py --seed 7
  culm submit -n 100 --memory 2GB --time 1h -- sh -c 'simulate --seed $CULM_INDEX'
  culm submit --requirements lock.txt --image docker.io/library/python:3.12 -- python3 fit.py

Prints the ids: workflow, task, job (of several the first and the last).`,
    )
    .action(async (command: string[], options: Options) => {
      const client = await cli.client()
      const { submitTask } = await import('./submitTask.ts')
      const submitted = await submitTask(client, await taskOf(command, options, cli.world.cwd), {
        jobs: options.jobs,
        afterJobs: options.after?.jobs,
      })
      if (!options.wait) return cli.json ? cli.printJson(submitted) : cli.print(idsOf(submitted))
      if (!cli.json) cli.print(idsOf(submitted))
      const workflow = await watch(cli, client, submitted.workflowId)
      if (cli.json)
        cli.printJson({
          ...submitted,
          workflow: workflow ?? (await client.call('getWorkflow', { params: { id: submitted.workflowId } })),
        })
    })

/** What its jobs ask for. */
const withNeeds = (command: Command): Command =>
  command
    .option('-n, --jobs <n>', 'so many jobs of it; CULM_INDEX tells them apart, from 0', parseWhole(1), 1)
    .option('--name <name>', 'what people see it called; the name of the program when left out')
    .option('--queue <name>', 'the queue to run in; the broker chooses when left out')
    .option('--site <name>', 'the site to run at, in any queue of it; any site when left out')
    .option('--cores <n>', 'cores of each job', parseWhole(1))
    .option('--memory <size>', 'limit of each job: 2GB, 512MB', parseMemoryMb)
    .option('--gpus <n>', 'GPUs of each job, its own while it runs', parseWhole(0))
    .option('--time <duration>', 'limit of each attempt: 90s, 10m, 2h', parseSeconds)
    .option('--priority <n>', '0 to 8000; 1000 when left out', parseWhole(0))
    .option(
      '--attempts <n>',
      'of a job that fails by its own error: 3; by cause: user=3,memory=2,lost=9',
      parseAttempts,
    )
    .option('--lost-after <duration>', 'how long its pilot may be silent before it is given to another', parseSeconds)
    .option('--label <name=value>', 'to filter and report by; may be repeated', parseLabel)
    .option('--after <ids>', 'tasks and jobs that must be done before: t3,j8', parseAfter)
    .option('--folder <path>', 'folder to run in, on the worker; a fresh one when left out')
    .option('--cache', 'take a stored result of the same command, and store this one')

const taskOf = async (command: string[], options: Options, cwd: string): Promise<WantedTask> => ({
  name: options.name ?? basename(command[0]!),
  payload: {
    kind: 'command',
    command,
    folder: options.folder && resolve(cwd, options.folder),
    environment: await environmentOf(options, cwd),
  },
  queue: options.queue,
  site: options.site,
  cores: options.cores,
  memoryMb: options.memory,
  gpus: options.gpus,
  wallSeconds: options.time,
  priority: options.priority,
  attempts: options.attempts,
  lostAfterSeconds: options.lostAfter,
  labels: options.label,
  after: options.after?.tasks,
  secrets: secretsIn(options),
  cache: options.cache,
})

const secretsIn = ({ secret = [], secretFile = [] }: Options): WantedSecret[] | undefined => {
  const all = [...secret, ...secretFile]
  return all.length > 0 ? all : undefined
}

const idsOf = ({ workflowId, taskId, firstJobId, lastJobId }: Submitted): string =>
  `${workflowId} ${taskId} ${firstJobId}${lastJobId === firstJobId ? '' : `-${lastJobId}`}`

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
