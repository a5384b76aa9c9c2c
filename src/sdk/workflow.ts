import { captureCallSite } from './bundle/callSite.ts'
import { Call } from './call.ts'
import { currentDriver, refuseDuringImport } from './context.ts'
import type { AnyFunction, Definition, WorkOptions } from './definition.ts'
import { currentRuntime, workflowMark, workMark } from './runtime.ts'
import type { Scope } from './scope/scope.ts'
import { startAsJob, startUse } from './use.ts'
import type { ResultOf } from './work.ts'

export type Workflow<F extends AnyFunction> = {
  /** Starts a workflow, runs the function here as its driver, and gives its value. */
  (...args: Parameters<F>): Promise<ResultOf<F>>
  /**
   * Has the function run as a job, and returns at once: `workflowId`, `cancel()`, and `await` for its value. It is a
   * workflow of its own, which ends as that job does and goes on whether this program does or not; in a job it is a job
   * of that one's workflow.
   */
  submit(...args: Parameters<F>): Call<ResultOf<F>>
  /** The plain function. */
  readonly local: F
  readonly [workMark]: Definition
  readonly [workflowMark]: Definition
}

/** The needs are those of its job, when it runs as one. Where it runs is where the works that it calls run, too, in what they do not say themselves. */
export type WorkflowOptions = Omit<WorkOptions, 'labels'> & {
  /** `false`: a plain call runs it as a job too, and gives its value; CULM_REMOTE=1 says so for a whole program. */
  local?: boolean
  /**
   * When an earlier start of the program is continued: how long the replay of what that one had done may stand still
   * while something is held back for it, before it is an error, s. For functions that compute longer than this
   * beside calls that they await. `CULM_REPLAY_SECONDS`, or 60, when left out.
   */
  replaySeconds?: number
}

/**
 * Makes a function a workflow: the calls of works in it, and in whatever it awaits, belong to one workflow, which
 * ends with its value or error. The function runs in the process that calls it, or as a job when it is submitted. Called
 * in a job, it is part of that job's workflow.
 *
 * It is durable: a program that was killed goes on where it was when it is started again by `culm run --continue`, or
 * with the same `CULM_RUN`. The function runs again from its first line, and what it had called is not called again;
 * so it must ask for the same again, and take time, chance and outside facts from `journal`.
 */
export const workflow = <F extends AnyFunction>(
  fn: F,
  { local = true, replaySeconds, ...needs }: WorkflowOptions = {},
): Workflow<F> => {
  const definition: Definition = { fn, options: needs, site: captureCallSite(workflow) }
  const run = async (args: unknown[], outer: Scope | undefined): Promise<unknown> => {
    const here = async () => fn(...(args as never[]))
    if (currentRuntime()?.job) return here()
    const { drive } = await import('./scope/drive.ts')
    return drive(definition, args, here, { outer, replaySeconds })
  }
  const submit = (...args: unknown[]) => {
    refuseDuringImport()
    const start = currentRuntime()?.job ? startUse : startAsJob
    return new Call({ definition, options: needs, args, below: submit }, start)
  }
  const call = (...args: unknown[]) => {
    if (!local || isRemote()) return submit(...args).then()
    refuseDuringImport()
    return run(args, currentDriver())
  }
  return Object.assign(call, {
    submit,
    local: fn,
    [workMark]: definition,
    [workflowMark]: definition,
  }) as unknown as Workflow<F>
}

/** Only what a program calls itself runs elsewhere: a workflow function that is called by another is a part of what that one does. */
const isRemote = (): boolean => process.env.CULM_REMOTE === '1' && !currentRuntime()?.job && !currentDriver()
