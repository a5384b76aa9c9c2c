import { captureCallSite } from './bundle/callSite.ts'
import { driveIn, refuseDuringImport } from './context.ts'
import type { AnyFunction, Definition } from './definition.ts'
import { currentRuntime, workflowMark, workMark } from './runtime.ts'
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
}

/**
 * Makes a function a workflow: the calls of works in it, and in whatever it awaits, belong to one workflow, which
 * ends with its value or error. The function runs in the process that calls it. Called in a job, it is part of that
 * job's workflow.
 */
export const workflow = <F extends AnyFunction>(fn: F, options: WorkflowOptions = {}): Workflow<F> => {
  const definition: Definition = { fn, options, site: captureCallSite(workflow) }
  const run = async (...args: unknown[]): Promise<unknown> => {
    const here = () => fn(...(args as never[]))
    return currentRuntime()?.job ? here() : drive(definition, here)
  }
  const call = (...args: unknown[]) => {
    refuseDuringImport()
    return run(...args)
  }
  return Object.assign(call, {
    local: fn,
    [workMark]: definition,
    [workflowMark]: definition,
  }) as unknown as Workflow<F>
}

const drive = async (definition: Definition, run: () => unknown): Promise<unknown> => {
  const { openDriver } = await import('./scope/openScopes.ts')
  const { scope, end } = await openDriver('function', definition.options.name ?? (await exportedName(definition)))
  let value: unknown
  try {
    value = await driveIn(scope, async () => run())
  } catch (error) {
    // The error of the function is what the caller wants to see, even if the server cannot be told.
    await end({ error }).catch(() => {})
    throw error
  }
  await end({ value })
  return value
}

const exportedName = async (definition: Definition): Promise<string> => {
  const { addressOf } = await import('./bundle/address.ts')
  return addressOf(definition).then(
    (address) => address.export,
    () => definition.fn.name || 'workflow',
  )
}
