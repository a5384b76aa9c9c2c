import { workflowMark } from '../../sdk/runtime.ts'
import { UsageError } from '../errors.ts'

export type Entry = { name: string; run: (...args: unknown[]) => unknown }

/**
 * The function of a module to run: the one that was named, else its only workflow, else its `default` or `main`.
 * @throws UsageError with what there is to choose from.
 */
export const entryOf = (exports: Record<string, unknown>, wanted: string | undefined, file: string): Entry => {
  const functions = functionsIn(exports)
  if (wanted !== undefined) {
    const run = exports[wanted]
    if (typeof run === 'function') return { name: wanted, run: run as Entry['run'] }
    throw new UsageError(`${file} exports no function "${wanted}"`, choice(functions))
  }
  const workflows = functions.filter(({ run }) => workflowMark in run)
  const entry = only(workflows) ?? main(workflows) ?? (workflows.length === 0 ? main(functions) : undefined)
  if (entry) return entry
  const why = workflows.length > 1 ? `${file} exports ${workflows.length} workflows` : `${file} exports no workflow`
  throw new UsageError(why, choice(workflows.length > 1 ? workflows : functions))
}

/** What runs a workflow function as a job. @throws UsageError of any other function */
export const submitOf = ({ name, run }: Entry): Entry['run'] => {
  if (workflowMark in run) return (run as unknown as { submit: Entry['run'] }).submit
  throw new UsageError(`${name} is no workflow, which --remote is for`, `write one: export const ${name} = workflow(…)`)
}

/** One object under two names is one function. */
const functionsIn = (exports: Record<string, unknown>): Entry[] => {
  const byFunction = new Map(
    Object.entries(exports)
      .filter(([, value]) => typeof value === 'function')
      .reverse()
      .map(([name, run]) => [run, name]),
  )
  return [...byFunction].map(([run, name]) => ({ name, run: run as Entry['run'] })).reverse()
}

const only = (entries: Entry[]): Entry | undefined => (entries.length === 1 ? entries[0] : undefined)

const main = (entries: Entry[]): Entry | undefined =>
  entries.find(({ name }) => name === 'default') ?? entries.find(({ name }) => name === 'main')

const choice = (entries: Entry[]): string =>
  entries.length > 0
    ? `name one: --export ${entries.map(({ name }) => name).join(', ')}`
    : 'write one: export const main = workflow(async () => { … })'
