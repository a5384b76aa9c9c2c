import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Value } from '../contract/base.ts'
import type { Arguments } from '../contract/runner.ts'
import type { Payload } from '../contract/tasks.ts'
import { decodeValue, encodeValue } from '../contract/values.ts'
import type { Attempt } from './attempt.ts'
import { Child, type Exit, readInto } from './child.ts'
import { deviceVariables } from './devices.ts'
import { setUpFailed } from './environments/shell.ts'
import { Failure, failed, type Outcome } from './failure.ts'
import { JobFile } from './jobFile.ts'
import { lastWords } from './jobOutput.ts'
import type { LogOutbox } from './logOutbox.ts'
import type { Quarters } from './quarters.ts'
import { SecretFiles, secretsOf } from './taskSecrets.ts'
import { unlessStopped } from './unlessStopped.ts'
import type { Values } from './values.ts'
import { makeJobFolder, removeFolder } from './workFolder.ts'

export type CommandTools = {
  quarters: Quarters
  logs: LogOutbox
  host: string
  serverUrl: string
}
type CommandPayload = Extract<Payload, { kind: 'command' }>

/** Runs a program to its end, in a process group of its own and in a fresh folder or the one that was named. Its value is null; what it says is its output. */
export const runCommand = async (
  attempt: Attempt,
  payload: CommandPayload,
  { quarters, logs, host, serverUrl }: CommandTools,
): Promise<Outcome> => {
  const { workflowId, common } = attempt.task
  const { values, environments, as } = quarters
  const wanted = secretsOf(attempt.task)
  const given = [common, attempt.job.args].filter((value) => value !== null)
  const added = await unlessStopped(attempt, Promise.all(given.map((value) => argumentsIn(value, workflowId, values))))
  const surroundings = attempt.task.environment
    ? (environments.ready(attempt.task) ?? (await environments.prepare(attempt)))
    : null
  const command = [...payload.command, ...added.flat()]
  const [program, ...args] = surroundings ? surroundings.around(command) : command

  const name = `${attempt.job.jobId}.${attempt.job.attempt}`
  const fresh = payload.folder ? null : await freshFolder(attempt, name, quarters)
  const cwd = payload.folder ?? fresh!
  if (!isFolder(cwd)) throw new Failure('user', 'FolderMissing', `there is no folder ${cwd} on ${host}`)
  const secrets = wanted && new SecretFiles(join(quarters.secrets, name), wanted, as)
  secrets?.place()
  const { guard, env: ownEnv } = surroundings ?? quarters
  const { jobId, attempt: number, token, checkpoint } = attempt.job
  const told = { jobId, attempt: number, serverUrl, token, folder: cwd, restored: checkpoint !== undefined }
  // In a folder that the user named his files stay anyway.
  const jobFile = fresh === null ? null : new JobFile(join(quarters.secrets, `${name}.json`), told, as)
  const env = {
    ...ownEnv,
    ...deviceVariables(attempt.devices),
    ...jobEnvironment(attempt),
    ...jobFile?.env,
    ...secrets?.env,
  }
  const child = new Child(program!, args, { cwd, env, guard })
  attempt.started(child)
  attempt.goesTo({ stop: ({ graceMs }) => child.end(graceMs), resume: () => {}, giveBack: () => {} })
  if (child.process) {
    readInto(child.process.stdout!, (chunk) => attempt.output.write('stdout', chunk), logs)
    readInto(child.process.stderr!, (chunk) => attempt.output.write('stderr', chunk), logs)
  }
  const exit = await child.exited
  attempt.output.end('stdout')
  attempt.output.end('stderr')
  secrets?.remove()
  jobFile?.remove()
  if (fresh !== null) void removeFolder(fresh, as)
  return outcomeOf(attempt, command[0]!, host, exit)
}

/** Empty, or with what an earlier attempt has kept. */
const freshFolder = async (attempt: Attempt, name: string, { jobs, checkpoints, as }: Quarters): Promise<string> => {
  const prepared = await checkpoints.prepare(attempt)
  const folder = join(jobs, name)
  makeJobFolder(folder, as, prepared)
  return folder
}

const jobEnvironment = ({ job, task, trace }: Attempt): Record<string, string> => ({
  CULM_JOB: job.jobId,
  CULM_TASK: job.taskId,
  CULM_WORKFLOW: task.workflowId,
  CULM_INDEX: String(job.index),
  CULM_ATTEMPT: String(job.attempt),
  ...(trace ? { TRACEPARENT: trace.traceparent } : {}),
})

const outcomeOf = (attempt: Attempt, program: string, host: string, exit: Exit): Outcome => {
  if (!exit.started) return notStarted(program, host, exit.error)
  if (attempt.stop) return { what: 'returned' } // why it was stopped is what is told
  if (exit.code === 0) return { what: 'finished', value: { text: 'null' } }
  if (attempt.task.environment && setUpFailed(exit.code, attempt.output.lastLines()))
    return failed('environment', 'InitEnvFailed', `init_env failed on ${host}`, attempt.output.lastLines())
  if (exit.signal)
    return {
      ...failed('runner', 'Signal', `${program} was killed by ${exit.signal}${lastWords(attempt.output)}`),
      signal: exit.signal,
    }
  return {
    ...failed('user', 'ExitCode', `exit code ${exit.code}`, attempt.output.lastLines()),
    exitCode: exit.code!,
  }
}

/** A program that cannot be run is the user's to mend; a system without room for another process is not. */
const notStarted = (program: string, host: string, error: NodeJS.ErrnoException): Outcome => {
  if (error.code === 'ENOENT')
    return failed(
      'user',
      'CommandNotFound',
      `there is no program "${program}" on ${host}: name its full path, or see that PATH has its folder`,
    )
  if (error.code === 'EACCES')
    return failed(
      'user',
      'CommandNotExecutable',
      `"${program}" on ${host} may not be executed: is it a program, and has it the permission (chmod +x)?`,
    )
  if (['E2BIG', 'ERR_INVALID_ARG_VALUE', 'ENOEXEC'].includes(error.code ?? ''))
    return failed('user', 'CommandInvalid', `"${program}": ${error.message}`)
  return failed('site', error.code ?? 'Error', `"${program}" cannot be started on ${host}: ${error.message}`)
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** Positional arguments as further words of the command: text as it is, anything else as its JSON text. */
const argumentsIn = async (value: Value, workflowId: string, values: Values): Promise<string[]> => {
  const brought = await values.bring(value, workflowId)
  const text = 'text' in brought ? brought.text : await readFile(brought.file, 'utf8')
  const { a = [], k = {} } = (decodeValue(text) ?? {}) as Arguments
  if (Object.keys(k).length > 0)
    throw new Failure(
      'user',
      'ArgumentsNamed',
      `a command takes positional arguments only, not ${Object.keys(k).join(', ')}`,
    )
  return a.map((item) => (typeof item === 'string' ? item : encodeValue(item)))
}
