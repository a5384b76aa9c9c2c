import { type Environment, effective, layered, problemForPython, problemOf } from '../contract/environments.ts'
import { fault } from '../contract/faults.ts'
import type { Payload } from '../contract/tasks.ts'

/** What is kept of an environment that somebody named: JSON text, or nothing when it says nothing. */
export const storedEnvironment = (environment: Environment | undefined): string | null => {
  if (!environment || Object.keys(environment).length === 0) return null
  checkEnvironment(environment)
  return JSON.stringify(environment)
}

const checkEnvironment = (environment: Environment): void => refuseFor(problemOf(environment))

/** Before anything is submitted, and not at the first job. */
export const checkEnvironmentOf = (payload: Payload): void => {
  if (!payload.environment) return
  checkEnvironment(payload.environment)
  if (payload.kind === 'function' && payload.language === 'python') refuseFor(problemForPython(payload.environment))
}

const refuseFor = (problem: string | undefined): void => {
  if (problem) throw fault('environment_invalid', problem)
}

/** The text of a payload as it is kept, with what its workflow says of where it runs. Most say nothing. */
export const storedPayload = (payload: Payload, ofWorkflow: string | null): string => {
  if (ofWorkflow === null) return JSON.stringify(payload)
  return JSON.stringify({ ...payload, environment: layered(payload.environment, JSON.parse(ofWorkflow)) })
}

/** Where a payload runs in a queue that says this. */
export const environmentIn = (payload: Payload, ofQueue: Environment | undefined): Environment | undefined =>
  payload.environment || ofQueue ? effective(layered(payload.environment, ofQueue)) : undefined
