import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RemoteError } from '../../contract/jobs.ts'
import type { Task } from '../../contract/runner.ts'
import { remoteErrorOf } from './remoteError.ts'

const workKey = Symbol.for('culm.work')

/** The function of a task, or its module, is not to be had; `told` says why and what to do. */
export class NotLoaded extends Error {
  readonly told: RemoteError

  constructor(error: RemoteError) {
    super(error.message)
    this.told = error
  }
}

export type Callable = (...args: unknown[]) => unknown

const functions = new Map<string, Callable>()
const nameOf = ({ module, export: key }: Task): string => `${module}#${key}`

/** The function of a task of which a job has run here before: a module that is imported again costs more than most short jobs. */
export const knownFunction = (task: Task): Callable | undefined => functions.get(nameOf(task))

/** The function of a task. Its module is imported once in the life of this process. */
export const loadFunction = async (task: Task, bundleFolder: string): Promise<Callable> => {
  const found = exportOf(await imported(task, bundleFolder), task)
  functions.set(nameOf(task), found)
  return found
}

const imported = async ({ module }: Task, bundleFolder: string): Promise<Record<string, unknown>> => {
  try {
    return (await import(pathToFileURL(join(bundleFolder, module)).href)) as Record<string, unknown>
  } catch (error) {
    const { type, message, stack } = remoteErrorOf(error)
    throw new NotLoaded({ type, message: `${module} could not be imported: ${message}. ${remedyFor(error)}`, stack })
  }
}

const remedyFor = (error: unknown): string => {
  const { code } = error as { code?: string }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return 'Is it in the bundle, and is every package that it imports installed where it runs?'
  return 'It must import without errors on a worker too: what needs your machine belongs inside a function.'
}

/** A work or workflow of the SDK is a callable that bears its function; a plain function will do as well. CommonJS has its exports under `default`. */
const exportOf = (module: Record<string, unknown>, { module: name, export: key }: Task): Callable => {
  const found = module[key] ?? (module.default as Record<string, unknown> | undefined)?.[key]
  const marked = (found as Record<symbol, { fn?: unknown } | undefined> | undefined)?.[workKey]?.fn ?? found
  if (typeof marked === 'function') return marked as Callable
  const others = Object.keys(module).join(', ') || 'nothing'
  const message = `${name} has no function "${key}"; it exports ${others}. Export it at the top level of the file.`
  throw new NotLoaded({ type: 'ExportMissing', message })
}
