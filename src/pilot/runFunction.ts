import type { Value } from '../contract/base.ts'
import type { Done, Text } from '../contract/runner.ts'
import type { Payload } from '../contract/tasks.ts'
import type { Attempt } from './attempt.ts'
import type { Bundles } from './bundles.ts'
import { type Failed, failed, type Outcome } from './failure.ts'
import { lastWords } from './jobOutput.ts'
import type { RunEnd } from './runner.ts'
import type { RunnerKind, RunnerPool } from './runnerPool.ts'
import { unlessStopped } from './unlessStopped.ts'
import type { Values } from './values.ts'

export type FunctionTools = { bundles: Bundles; values: Values; runners: RunnerPool }
type FunctionPayload = Extract<Payload, { kind: 'function' }>

/**
 * Runs a function in a warm runner. When bundle and values are here nothing is awaited before the runner has its job: what a call of a trivial function
 * costs in the pilot is this function, so it is kept short.
 */
export const runFunction = async (
  attempt: Attempt,
  payload: FunctionPayload,
  { bundles, values, runners }: FunctionTools,
): Promise<Outcome> => {
  const { job, task } = attempt
  const { workflowId } = task
  const bundleFolder =
    bundles.ready(payload.bundle) ?? (await unlessStopped(attempt, bundles.fetch(payload.bundle, workflowId)))
  const textOf = async (value: Value): Promise<Text> => unlessStopped(attempt, values.bring(value, workflowId))
  const args = 'text' in job.args ? job.args : await textOf(job.args)
  const common = task.common === null || 'text' in task.common ? task.common : await textOf(task.common)

  const kind: RunnerKind = {
    ownerId: task.ownerId,
    bundle: payload.bundle,
    language: payload.language,
    interpreter: payload.interpreter,
  }
  const runner = runners.take(kind, bundleFolder)
  let fit = false
  try {
    const { jobId, taskId, index, token } = job
    const place = { jobId, taskId, workflowId, index, attempt: job.attempt, token, folder: runner.folder() }
    const what = { bundle: payload.bundle, module: payload.module, export: payload.export, common, args }
    attempt.started(runner.pid, { stop: ({ graceMs }) => runner.end(graceMs), resume: () => runner.resume() })
    const end = await runner.run({ ...place, ...what }, attempt)
    attempt.computed()
    if (end.kind === 'exit') return outcomeOfExit(attempt, payload, end)
    fit = isFitForMore(attempt, end.done)
    return await outcomeOfDone(attempt, end.done, place.folder, values)
  } finally {
    runners.giveBack(kind, runner, fit)
  }
}

const outcomeOfDone = async (attempt: Attempt, done: Done, folder: string, values: Values): Promise<Outcome> => {
  const { usage } = done
  if (!done.ok) return { what: 'failed', cause: done.cause, error: done.error, usage }
  const value = values.inline(done.value) ?? (await unlessStopped(attempt, values.keep(done.value, folder)))
  return { what: 'finished', value, usage }
}

/**
 * A runner goes after a job that was ended from outside, whose bundle did not load (a module that failed stays failed in the process, though the missing
 * package may be installed by then), that left a stray error behind, or that filled so much memory that it would count against the next.
 */
const isFitForMore = (attempt: Attempt, done: Done): boolean => {
  if (attempt.stop || done.last || (!done.ok && done.cause === 'bundle')) return false
  const { memoryMb } = attempt.task
  return memoryMb === null || (attempt.usage.maxRssMb ?? 0) < memoryMb / 2
}

const outcomeOfExit = (
  attempt: Attempt,
  payload: FunctionPayload,
  { exit, ready, why }: Extract<RunEnd, { kind: 'exit' }>,
): Failed => {
  const program = payload.interpreter ?? (payload.language === 'node' ? process.execPath : 'python3')
  if (!exit.started) return failed('site', 'RunnerMissing', `${program} cannot be started here: ${exit.error.message}`)
  const ended = exit.signal ? `it was killed by ${exit.signal}` : `it left with exit code ${exit.code}`
  const words = lastWords(attempt.output)
  if (!ready) return failed('site', 'RunnerFailed', `the runner (${program}) did not come up: ${why ?? ended}${words}`)
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
