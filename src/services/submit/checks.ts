import { LRUCache } from 'lru-cache'
import type { Value } from '../../contract/base.ts'
import { fault } from '../../contract/faults.ts'
import type { NewJob, NewTask } from '../../contract/tasks.ts'
import { hasBundle } from '../../store/blobs.ts'
import type { WorkflowOwner } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand, experimentOf } from '../access/rights.ts'
import { checkSecrets } from '../access/secrets.ts'
import type { Engine } from '../engine/engine.ts'
import { checkEnvironmentOf } from '../environments.ts'
import type { TaskBody } from './rows.ts'

/** A look at its workflow, which is remembered for those who call often. A payload's token says that this is its own. */
export const mayAddTo = async (engine: Engine, principal: Principal, workflowId: number): Promise<WorkflowOwner> => {
  const workflow = engine.workflows.known(workflowId) ?? (await engine.workflows.get(workflowId))
  if (principal.kind === 'job' && principal.workflowId === workflowId) return workflow!
  return demand(principal, 'write', workflow, 'workflow_unknown')
}

export const checkTask = async (engine: Engine, principal: Principal, task: TaskBody): Promise<void> => {
  checkEnvironmentOf(task.payload)
  await checkBundle(engine, principal, task)
  if (task.secrets) await checkSecrets(engine, principal, task.secrets)
  checkTexts(task)
}

/** Those seen lately, by experiment. */
const knownBundles = new WeakMap<Engine, LRUCache<string, true>>()

const checkBundle = async (engine: Engine, principal: Principal, { payload }: TaskBody): Promise<void> => {
  if (payload.kind !== 'function') return
  const known = knownBundles.get(engine) ?? new LRUCache({ max: 10_000 })
  knownBundles.set(engine, known)
  const key = `${experimentOf(principal)}:${payload.bundle}`
  if (known.has(key)) return
  if (!(await hasBundle(engine.db, experimentOf(principal), payload.bundle)))
    throw fault('bundle_unknown', `no bundle ${payload.bundle}`)
  known.set(key, true)
}

/** Text that PostgreSQL cannot hold, or that would change on its way into UTF-8, is refused before anything is written. */
export const checkTexts = ({
  common,
  jobs,
  payload,
}: {
  common?: Value
  jobs: readonly NewJob[]
  payload?: NewTask['payload']
}) => {
  const bad = (text: string) => text.includes('\u0000') || !text.isWellFormed()
  const check = (value: Value | undefined, place: string) => {
    if (value && 'text' in value && bad(value.text))
      throw fault('invalid_text', `${place} holds a raw NUL or a lone surrogate`)
  }
  check(common, 'common')
  for (const [i, job] of jobs.entries()) check(job.args, `jobs[${i}].args`)
  if (payload && bad(JSON.stringify(payload).replaceAll('\\u0000', '\u0000')))
    throw fault('invalid_text', 'payload holds a NUL or a lone surrogate')
}
