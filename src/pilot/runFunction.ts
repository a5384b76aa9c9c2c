import type { Value } from '../contract/base.ts'
import type { Done, Run, Task, Text } from '../contract/runner.ts'
import type { Payload } from '../contract/tasks.ts'
import type { Attempt } from './attempt.ts'
import type { Surroundings } from './environments/surroundings.ts'
import { type Failed, failed, type Outcome } from './failure.ts'
import { lastWords } from './jobOutput.ts'
import type { Quarters } from './quarters.ts'
import type { RunEnd, Runner } from './runner.ts'
import type { RunnerKind, RunnerPool } from './runnerPool.ts'
import { hiddenOf, secretsOf } from './taskSecrets.ts'
import { unlessStopped } from './unlessStopped.ts'

export type FunctionTools = { quarters: Quarters; runners: RunnerPool }
type FunctionPayload = Extract<Payload, { kind: 'function' }>

/** It did not run: it may at once be tried again, here or elsewhere. */
export type Skipped = { what: 'skipped' }

/**
 * Runs jobs of one task in a warm runner, one after the other. When bundle and values are here nothing is awaited before the runner has its jobs: what a call
 * of a trivial function costs in the pilot is this function, so it is kept short.
 */
export const runFunctions = (
  attempts: readonly Attempt[],
  payload: FunctionPayload,
  tools: FunctionTools,
): Promise<Outcome | Skipped>[] => {
  const begun = begin(attempts, payload, tools)
  const isPrepared = begun.then(
    () => true,
    () => false,
  )
  return attempts.map(async (attempt, i) =>
    i > 0 && !(await isPrepared) ? ({ what: 'skipped' } as const) : outcomeOf(attempt, payload, await begun, i, tools),
  )
}

/** Whether a job can follow another of its task in one go: what it needs is here then. */
export const canFollow = ({ job, task }: Attempt): boolean =>
  task.payload.kind === 'function' &&
  'text' in job.args &&
  task.gpus === 0 &&
  job.checkpoint === undefined &&
  !task.environment?.postScript &&
  !task.environment?.cleanEnv

/** `open`: jobs that still need the runner or its folder. */
type Begun = {
  kind: RunnerKind
  runner: Runner
  surroundings: Surroundings | null
  folder: string
  ends: Promise<RunEnd>[]
  fit: boolean
  open: number
}

const begin = async (
  attempts: readonly Attempt[],
  payload: FunctionPayload,
  { quarters, runners }: FunctionTools,
): Promise<Begun> => {
  const first = attempts[0]!
  const { bundles, checkpoints, environments, values } = quarters
  const secrets = secretsOf(first.task)
  const { workflowId, taskId, ownerId } = first.task
  const bundleFolder =
    bundles.ready(payload.bundle) ?? (await unlessStopped(first, bundles.fetch(payload.bundle, workflowId)))
  const surroundings = first.task.environment
    ? (environments.ready(first.task) ?? (await environments.prepare(first)))
    : null
  const textOf = async (value: Value): Promise<Text> => unlessStopped(first, values.bring(value, workflowId))
  const { common: shared } = first.task
  const common = shared && (values.ready(shared) ?? (await textOf(shared)))
  const firstArgs = values.ready(first.job.args) ?? (await textOf(first.job.args))
  const restored = first.job.checkpoint === undefined ? undefined : await checkpoints.prepare(first)

  const { bundle, language, interpreter, module, export: name } = payload
  const environment = surroundings?.digest ?? null
  const { devices } = first
  const kind: RunnerKind = { ownerId, bundle, language, interpreter, secrets, environment, devices }
  const runner = runners.take(kind, quarters, bundleFolder, surroundings, restored)
  const folder = runner.folder(restored)
  const { wallSeconds } = first.task
  const task: Task = { t: 'task', taskId, workflowId, bundle, module, export: name, common, wallSeconds }
  const ends = attempts.map((attempt, i) => {
    const { jobId, index, token, attempt: number, args } = attempt.job
    const run: Run = {
      t: 'run',
      jobId,
      index,
      attempt: number,
      token,
      folder,
      args: i === 0 ? firstArgs : (args as Text),
      ...(i === 0 && restored !== undefined ? { restored: true as const } : {}),
      ...(attempt.trace ? { trace: attempt.trace.traceparent } : {}),
    }
    const end = runner.run(task, run, attempt, () => attempt.started(runner))
    attempt.goesTo({
      stop: ({ graceMs }) => runner.end(graceMs),
      resume: () => runner.resume(),
      giveBack: () => runner.skip([jobId]),
    })
    return end
  })
  const fit = surroundings?.endsWithJob !== true
  return { kind, runner, surroundings, folder, ends, fit, open: ends.length }
}

const outcomeOf = async (
  attempt: Attempt,
  payload: FunctionPayload,
  begun: Begun,
  i: number,
  { quarters: { values }, runners }: FunctionTools,
): Promise<Outcome | Skipped> => {
  const end = await begun.ends[i]!
  if (end.kind === 'skipped') {
    leave(begun, runners)
    return attempt.phase === 'waiting' ? { what: 'skipped' } : { what: 'returned' }
  }
  begun.fit &&= end.kind === 'done' && isFitForMore(attempt, end.done)
  if (begun.surroundings?.endsWithJob && end.kind === 'done')
    return outcomeOfLast(attempt, end.done, begun, values).finally(() => leave(begun, runners))
  // The runner goes before the cores do: whoever gets those finds it warm, and starts no second one.
  const keepsFolder = end.kind === 'done' && end.done.ok && 'value' in end.done && !values.inline(end.done.value)
  if (!keepsFolder) leave(begun, runners)
  attempt.computed()
  if (end.kind === 'exit') return outcomeOfExit(attempt, payload, end, begun.surroundings)
  const outcome = outcomeOfDone(attempt, end.done, begun.folder, values)
  return keepsFolder ? outcome.finally(() => leave(begun, runners)) : outcome
}

/** What is run after a job is under its limits, and finds its folder as it was left. */
const outcomeOfLast = async (
  attempt: Attempt,
  done: Done,
  { runner, folder }: Begun,
  values: Quarters['values'],
): Promise<Outcome> => {
  const outcome = await outcomeOfDone(attempt, done, folder, values)
  await runner.leave()
  attempt.computed()
  return outcome
}

/** One job less needs the runner; after the last it is given back. */
const leave = (begun: Begun, runners: RunnerPool): void => {
  begun.open--
  if (begun.open === 0) runners.giveBack(begun.kind, begun.runner, begun.fit)
}

const outcomeOfDone = async (
  attempt: Attempt,
  done: Done,
  folder: string,
  values: Quarters['values'],
): Promise<Outcome> => {
  const { usage } = done
  if (!done.ok) return { what: 'failed', cause: done.cause, error: done.error, usage }
  if ('later' in done) return { what: 'deferred', until: done.later.expiresAt, usage }
  const of = { workflowId: attempt.task.workflowId, jobId: attempt.job.jobId, attempt: attempt.job.attempt }
  const hidden = hiddenOf(attempt.task)
  const value = values.inline(done.value) ?? (await unlessStopped(attempt, values.keep(done.value, folder, of, hidden)))
  return { what: 'finished', value, usage }
}

/**
 * A runner goes after a job that was ended from outside, whose bundle did not load (a module that failed stays failed in the process, though the missing
 * package may be installed by then), that left a stray error behind, or that filled so much memory that it would count against the next.
 */
const isFitForMore = (attempt: Attempt, done: Done): boolean => {
  if (attempt.stop || done.last || (!done.ok && done.cause === 'bundle')) return false
  const { memoryMb } = attempt
  return memoryMb === null || (attempt.usage.maxRssMb ?? 0) < memoryMb / 2
}

const outcomeOfExit = (
  attempt: Attempt,
  payload: FunctionPayload,
  { exit, ready, why }: Extract<RunEnd, { kind: 'exit' }>,
  surroundings: Surroundings | null,
): Failed => {
  const program =
    surroundings?.python ?? payload.interpreter ?? (payload.language === 'node' ? process.execPath : 'python3')
  // What is amiss in an environment is so for every job of the task.
  const cause = surroundings ? 'environment' : 'site'
  if (!exit.started) return failed(cause, 'RunnerMissing', `${program} cannot be started here: ${exit.error.message}`)
  const ended = exit.signal ? `it was killed by ${exit.signal}` : `it left with exit code ${exit.code}`
  const words = lastWords(attempt.output)
  if (!ready) return failed(cause, 'RunnerFailed', `the runner (${program}) did not come up: ${why ?? ended}${words}`)
  const told = failed(
    'runner',
    'RunnerEnded',
    `the process ended in the middle of the job: ${why ?? `${ended}${hintFor(exit)}`}${words}`,
  )
  return {
    ...told,
    ...(exit.code === null ? {} : { exitCode: exit.code }),
    ...(exit.signal ? { signal: exit.signal } : {}),
  }
}

const hintFor = ({ code, signal }: { code: number | null; signal: string | null }): string => {
  if (signal === 'SIGKILL') return ' (the system does so when memory runs out)'
  return code === null ? '' : ' (does it call exit?)'
}
