import { captureCallSite } from './bundle/callSite.ts'
import { currentDriver, refuseDuringImport } from './context.ts'
import type { AnyFunction, Definition } from './definition.ts'
import { currentRuntime, workflowMark, workMark } from './runtime.ts'
import type { Scope } from './scope/scope.ts'
import type { ResultOf } from './work.ts'

export type Workflow<F extends AnyFunction> = {
  /** Starts a workflow, runs the function here as its driver, and gives its value. */
  (...args: Parameters<F>): Promise<ResultOf<F>>
  /** The plain function. */
  readonly local: F
  readonly [workMark]: Definition
  readonly [workflowMark]: Definition
}

export type WorkflowOptions = {
  /** What people see it called; the name of its export when left out. */
  name?: string
  /**
   * When an earlier start of the program is continued: how long the replay of what that one had done may stand still
   * while something is held back for it, before it is an error, s. For functions that compute longer than this
   * beside calls that they await. `CULM_REPLAY_SECONDS`, or 60, when left out.
   */
  replaySeconds?: number
}

/**
 * Makes a function a workflow: the calls of works in it, and in whatever it awaits, belong to one workflow, which
 * ends with its value or error. The function runs in the process that calls it. Called in a job, it is part of that
 * job's workflow.
 *
 * It is durable: a program that was killed goes on where it was when it is started again by `culm run --continue`, or
 * with the same `CULM_RUN`. The function runs again from its first line, and what it had called is not called again;
 * so it must ask for the same again, and take time, chance and outside facts from `journal`.
 */
export const workflow = <F extends AnyFunction>(fn: F, options: WorkflowOptions = {}): Workflow<F> => {
  const definition: Definition = { fn, options, site: captureCallSite(workflow) }
  const run = async (args: unknown[], outer: Scope | undefined): Promise<unknown> => {
    const here = async () => fn(...(args as never[]))
    if (currentRuntime()?.job) return here()
    const { drive } = await import('./scope/drive.ts')
    return drive(definition, args, here, outer)
  }
  const call = (...args: unknown[]) => {
    refuseDuringImport()
    return run(args, currentDriver())
  }
  return Object.assign(call, {
    local: fn,
    [workMark]: definition,
    [workflowMark]: definition,
  }) as unknown as Workflow<F>
}
