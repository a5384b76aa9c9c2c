import { fault } from '../../contract/faults.ts'
import type { NewJob, NewTask } from '../../contract/tasks.ts'
import { showId } from '../../lib/ids.ts'
import { decideQueues } from '../../policy/broker/decide.ts'
import type { NewJobRows, NewTaskRow } from '../../store/tasks.ts'
import type { WorkflowOwner } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { experimentOf } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { storedPayload } from '../environments.ts'
import { otherAttempts } from '../jobs/attemptLimits.ts'

/** A task, whatever names the workflow that it belongs to. */
export type TaskBody = Omit<NewTask, 'workflowId'>

/** What a task has of its workflow. */
export type TaskOwner = Pick<WorkflowOwner, 'workflowId' | 'environment'>

/** The broker's decision, from cached facts only. */
export const laneFor = async (engine: Engine, task: TaskBody): Promise<number> => {
  if (engine.lanes.queues.length === 0) await engine.lanes.refresh()
  const { queue = null, site = null, cores, memoryMb = 0, gpus } = task
  const choice = decideQueues(engine.lanes.queues, { queue, site, cores })
  if (choice.kind === 'none') {
    if (choice.unknown === 'queue') throw fault('queue_unknown', `no queue is called ${queue}`, { queue })
    if (choice.unknown === 'site') throw fault('site_unknown', `no site is called ${site}`, { site })
    throw fault('too_large_for_queue', choice.rejected.map((r) => `${r.queue}: ${r.why}`).join('; '), {
      rejected: choice.rejected,
    })
  }
  return engine.lanes.workLane(choice.queueIds, { cores, memoryMb, gpus })
}

/** What is written of a task that `principal` submits; `trace` is the one of its request, W3C's `traceparent`. */
export const rowOf = (
  principal: Principal,
  task: TaskBody,
  { workflowId, environment }: TaskOwner,
  laneId: number,
  trace: string | null,
): NewTaskRow => ({
  workflowId,
  experimentId: experimentOf(principal),
  ownerId: ownerOf(principal),
  parentJobId: principal.kind === 'job' ? principal.jobId : null,
  name: task.name,
  state: 'ready',
  closed: !task.open,
  unmet: 0,
  payload: storedPayload(task.payload, environment),
  common: task.common && 'text' in task.common ? task.common.text : null,
  commonBlob: task.common && 'blob' in task.common ? task.common.blob : null,
  commonBytes: task.common && 'blob' in task.common ? task.common.bytes : null,
  laneId,
  cores: task.cores,
  memoryMb: task.memoryMb ?? null,
  gpus: task.gpus,
  wallSeconds: task.wallSeconds ?? null,
  priority: task.priority,
  attemptsUser: task.attempts.user,
  attemptsSite: task.attempts.site,
  attemptsLost: task.attempts.lost,
  attemptsOthers: otherAttempts(task.attempts),
  lostAfterSeconds: task.lostAfterSeconds ?? null,
  queue: task.queue ?? null,
  site: task.site ?? null,
  secrets: task.secrets?.length ? JSON.stringify(task.secrets) : null,
  trace,
  labels: JSON.stringify(task.labels),
  cache: task.cache,
})

/** What is written of jobs that wait for nothing. */
export const jobRows = (jobs: readonly NewJob[]): NewJobRows => ({
  args: jobs.map(({ args }) => ('text' in args ? args.text : null)),
  blobs: jobs.map(({ args }) => ('blob' in args ? args.blob : null)),
  bytes: jobs.map(({ args }) => ('blob' in args ? args.bytes : null)),
  states: jobs.map(() => 'activated'),
  unmets: jobs.map(() => 0),
})

/** Who owns what `principal` submits. */
export const ownerOf = (principal: Principal): number => {
  if (principal.kind === 'pilot') throw fault('forbidden', 'a pilot submits nothing')
  return principal.personId
}

export const showJob = (id: number | null) => (id === null ? null : showId('j', id))
