import { fault } from '../contract/faults.ts'
import { encodeValue } from '../contract/values.ts'
import { Fault, isFault } from '../lib/fault.ts'
import { Arrivals, type Wants } from './arrivals.ts'
import { currentDriver, currentScope } from './context.ts'
import type { AnyFunction, Definition, UseOptions } from './definition.ts'
import { stackLines } from './stackLines.ts'
import { currentTrace } from './trace.ts'

/**
 * One use of a work: a call, or a map with one job per item. Its arguments are already text, so that what happens to
 * them later changes nothing.
 */
export type Use<T = unknown> = {
  definition: Definition
  options: UseOptions
  jobs: string[]
  common: string | undefined
  arrivals: Arrivals<T>
  /** Made where the work was called: its stack leads there. */
  callSite: Error
  /** The trace that it was called in. */
  trace: string | undefined
}

type WantedUse = Omit<Use, 'arrivals' | 'callSite' | 'trace'>

/** What calls and maps are made of; `below` is what the user called, so that stacks begin at the user's own line. */
export type Called = { definition: Definition; options: UseOptions; below: AnyFunction }

export type Started<T> = {
  arrivals: Arrivals<T>
  workflowId: Promise<string>
  taskId: Promise<string>
  firstJobId: Promise<string>
  cancel(): Promise<void>
  /** Resolves when the program has been told what it wants, in its turn: in a job that may give its slot away until then. */
  wait(wants: Wants): Promise<void>
}

/** Begins a use in the scope of its caller: a workflow function, a job, or the session of this process. */
export const startUse = <T>(wanted: WantedUse, below: AnyFunction): Started<T> => {
  const use = useMade<T>(wanted, below)
  const { arrivals } = use
  const toldHere = (error: unknown) => Promise.reject(toldAt(use.callSite, error))
  const scope = currentScope().catch(toldHere)
  const submitted = scope.then((opened) => opened.submit(use).catch(toldHere))
  submitted.catch((error) => {
    use.arrivals.fail(error)
    // An unhandled rejection: a call that never reached the server is not lost in silence. (One that did is on record
    // there, and stays quiet.)
    if (!use.arrivals.watched && !use.arrivals.wasRefused) void Promise.reject(error)
  })
  const taskId = quiet(submitted.then((task) => task.taskId))
  return {
    arrivals,
    workflowId: quiet(scope.then((opened) => opened.workflowId)),
    taskId,
    firstJobId: quiet(submitted.then((task) => task.firstJobId ?? '')),
    cancel: async () => (await scope).cancel(await taskId),
    wait: async (wants) => {
      arrivals.watched = true
      const { teller } = await scope
      await teller.wait(arrivals, wants)
    },
  }
}

/** Has a workflow function run as the job of a workflow of its own. Nothing is heard of it before somebody waits, so that a program which does not may end. */
export const startAsJob = <T>(wanted: WantedUse, below: AnyFunction): Started<T> => {
  const use = useMade<T>(wanted, below)
  const outer = currentDriver()
  const submitted = import('./scope/submitWorkflow.ts').then(({ submitWorkflow }) => submitWorkflow(use, outer))
  submitted.catch((error) => {
    if (!use.arrivals.watched) void Promise.reject(toldAt(use.callSite, error))
  })
  const told = submitted.catch((error) => Promise.reject(toldAt(use.callSite, error)))
  return {
    arrivals: use.arrivals,
    workflowId: quiet(told.then(({ workflowId }) => workflowId)),
    taskId: quiet(told.then(({ taskId }) => taskId)),
    firstJobId: quiet(told.then(({ jobId }) => jobId)),
    cancel: async () => (await told).cancel(),
    wait: async () => {
      use.arrivals.watched = true
      await (await told).ended()
    },
  }
}

const useMade = <T>(wanted: WantedUse, below: AnyFunction): Use<T> => ({
  ...wanted,
  arrivals: new Arrivals<T>(wanted.jobs.length),
  callSite: errorAt(below),
  trace: currentTrace(),
})

/** The text of the arguments of one job, as the contract has it. */
export const argumentsText = (args: readonly unknown[]): string => {
  const promise = args.findIndex((arg) => typeof (arg as PromiseLike<unknown> | null)?.then === 'function')
  if (promise >= 0) {
    throw fault(
      'value_unsupported',
      `argument ${promise + 1} is a promise or a call: await it first, or give it in \`with({ after: [call] })\``,
    )
  }
  return `{"a":${encodeValue(args)}}`
}

/** A refusal, with the lines of the call that was refused instead of ours. */
const toldAt = (callSite: Error, error: unknown): unknown => {
  if (!isFault(error)) return error
  const told = new Fault(error.code, error.message, { data: error.data, cause: error.cause })
  told.stack = `${told.name}: ${told.message}${stackLines(callSite)}`
  return told
}

/** The stack is looked at once: `new Error` would do so first, and each look is a part of what a call costs. */
const errorAt = (below: AnyFunction): Error => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new Error()
  Error.stackTraceLimit = stackTraceLimit
  Error.captureStackTrace(error, below)
  return error
}

/** For promises that nobody need look at: the same failure reaches the caller another way. */
const quiet = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => {})
  return promise
}
