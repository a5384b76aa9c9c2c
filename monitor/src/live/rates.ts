import { useEffect, useState } from 'react'
import type { Workflow } from '../../../src/contract/workflows.ts'
import type { WorkflowId } from '../api/queries.ts'

/** Jobs per second between two looks. */
export type Rates = { finished: number[]; failed: number[]; running: number[]; waiting: number[] }
type Ended = { finished: number; failed: number }

const mostSamples = 150

/** What was seen since this page was opened; it outlasts going to another page and back. */
const seen = { at: 0, byWorkflow: new Map<WorkflowId, Ended>() }
const rates: Rates = { finished: [], failed: [], running: [], waiting: [] }

const push = (samples: number[], value: number) => {
  samples.push(value)
  if (samples.length > mostSamples) samples.shift()
}

/** Takes a sample. What a workflow had before it was first seen does not count. */
const take = (workflows: readonly Workflow[], queues: { running: number; waiting: number }, at: number) => {
  const seconds = (at - seen.at) / 1000
  let [finished, failed] = [0, 0]
  for (const { id, jobs } of workflows) {
    const now = { finished: jobs.finished ?? 0, failed: jobs.failed ?? 0 }
    const before = seen.byWorkflow.get(id)
    if (before) finished += Math.max(0, now.finished - before.finished)
    if (before) failed += Math.max(0, now.failed - before.failed)
    seen.byWorkflow.set(id, now)
  }
  for (const id of seen.byWorkflow.keys())
    if (seen.byWorkflow.size > 2000) seen.byWorkflow.delete(id)
    else break
  // After a pause, as of a hidden tab, a difference says nothing of now.
  if (seen.at > 0 && seconds < 15) {
    push(rates.finished, finished / seconds)
    push(rates.failed, failed / seconds)
  }
  push(rates.running, queues.running)
  push(rates.waiting, queues.waiting)
  seen.at = at
}

/** Rates by looking: a sample whenever what is looked at was read anew. */
export const useRates = (
  workflows: readonly Workflow[] | undefined,
  queues: { running: number; waiting: number } | undefined,
  readAt: number,
): Rates => {
  const [, drawAgain] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: one sample for each reading of the workflows
  useEffect(() => {
    if (!workflows || !queues || readAt <= seen.at) return
    take(workflows, queues, readAt)
    drawAgain(readAt)
  }, [readAt])
  return rates
}
