import { type QueryClient, useQuery } from '@tanstack/react-query'
import type { Outcome } from '../../../src/contract/jobs.ts'
import type { JobId, TaskId, WorkflowId } from '../api/queries.ts'
import { numberIn } from '../words/ids.ts'
import { lineOf, numbersIn } from '../words/values.ts'

/** What the page keeps of an outcome: a line of it, why it failed, and what of it can be drawn. */
export type Point = {
  id: JobId
  taskId: TaskId
  index: number
  state: Outcome['state']
  says: string
  cause?: string
  errorType?: string
  numbers: Record<string, number>
  /** The number in `taskId`, by which thousands are ordered again and again. */
  task: number
}

/** The map is one and the same all the time; `version` tells that it has changed. */
export type Outcomes = { byJob: Map<JobId, Point>; version: number }

/** So many outcomes of a workflow are kept; of a larger one the first that came. */
export const mostOutcomes = 10_000

export const pointOf = (outcome: Outcome): Point => ({
  id: outcome.jobId,
  taskId: outcome.taskId,
  index: outcome.index,
  state: outcome.state,
  says: lineOf(outcome),
  cause: outcome.cause,
  errorType: outcome.error?.type,
  numbers: numbersIn(outcome.value),
  task: numberIn(outcome.taskId),
})

const keyOf = (id: WorkflowId) => ['outcomes', id] as const

const none = (): Outcomes => ({ byJob: new Map(), version: 0 })

export const knownOutcomes = (client: QueryClient, id: WorkflowId) => client.getQueryData<Outcomes>(keyOf(id)) ?? none()

export const addOutcomes = (client: QueryClient, id: WorkflowId, outcomes: Outcome[]) =>
  client.setQueryData<Outcomes>(keyOf(id), (old = none()) => {
    for (const outcome of outcomes)
      if (old.byJob.size < mostOutcomes || old.byJob.has(outcome.jobId)) old.byJob.set(outcome.jobId, pointOf(outcome))
    return { ...old, version: old.version + 1 }
  })

/** Filled by whoever follows the workflow. */
export const useOutcomes = (id: WorkflowId): Outcomes =>
  useQuery({ queryKey: keyOf(id), queryFn: none, initialData: none, enabled: false }).data
