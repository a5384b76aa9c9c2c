import { AsyncLocalStorage } from 'node:async_hooks'
import { fault } from '../contract/faults.ts'
import { currentRuntime } from './runtime.ts'
import type { Scope } from './scope/scope.ts'

/** The workflow function whose code runs now, through everything that it awaits. */
const driving = new AsyncLocalStorage<Scope>()

export const driveIn = <R>(scope: Scope, run: () => R): R => driving.run(scope, run)

/** The workflow function whose code runs now, if one does. */
export const currentDriver = (): Scope | undefined => driving.getStore()

/** A runner imports modules to find a work in them; their own calls would run again on every worker. */
export const refuseDuringImport = (): void => {
  if (!currentRuntime()?.importing) return
  throw fault(
    'work_during_import',
    'a work was called at the top level of its module, which runs again on every worker: call it in a function, or from another file',
  )
}

let scopes: Promise<typeof import('./scope/openScopes.ts')> | undefined

/**
 * The scope that a call made here and now belongs to. What makes scopes (HTTP, schemas, the bundler) is loaded only
 * when a first call is made, since most jobs call nothing, and it would be most of the time that a fresh runner takes
 * to import a module.
 * @throws `work_during_import` while a module is imported to find a work in it.
 */
export const currentScope = (): Promise<Scope> => {
  refuseDuringImport()
  const runtime = currentRuntime()
  const driver = driving.getStore()
  if (driver) return Promise.resolve(driver)
  scopes ??= import('./scope/openScopes.ts')
  return scopes.then(({ jobScope, sessionScope }) => (runtime?.job ? jobScope(runtime, runtime.job) : sessionScope()))
}
