import type { JobEnd, JobState } from '../../domain/job/states.ts'
import { jobEnds } from '../../domain/job/states.ts'
import { type TaskState, type TaskTrigger, taskHasEnded } from '../../domain/task/states.ts'
import type { WorkflowTrigger } from '../../domain/workflow/states.ts'

export type TaskCounts = { state: TaskState; isClosed: boolean; jobs: number } & Record<JobState, number>

/** What a task's counters say of it: the trigger that moves it, or nothing. A task ends when no more jobs will come and none is left. */
export const taskTriggerOf = (task: TaskCounts): TaskTrigger | null => {
  if (taskHasEnded(task.state)) return null
  const ended = jobEnds.reduce((sum, state) => sum + task[state], 0)
  if (task.state === 'aborting') return ended >= task.jobs ? 'allEnded' : null
  if (task.isClosed && ended >= task.jobs) return endOf(task)
  return task.state === 'ready' && hasBegun(task) ? 'started' : null
}

/** An empty task is done: a map over nothing has no failures. */
const endOf = ({ jobs, finished, closed }: TaskCounts): TaskTrigger => {
  if (finished + closed >= jobs) return 'allFinished'
  return finished > 0 ? 'someFinished' : 'noneFinished'
}

/** Whether a job of it has been sent, or ended without. */
export const hasBegun = (task: TaskCounts): boolean => task.jobs - task.pending - task.activated > 0

/** How a workflow ends whose function is a job: as that did. */
export const workflowTriggerOfJob = (state: JobEnd): WorkflowTrigger => {
  if (state === 'finished') return 'succeeded'
  return state === 'cancelled' ? 'cancelAsked' : 'failed'
}

export type WorkflowCounts = {
  closed: boolean
  tasksTotal: number
  tasksLeft: number
  tasksFailed: number
  finishedJobs: number
}

/** How a workflow without a driver ends: when it is closed and its last task has ended. */
export const workflowTriggerOf = ({
  closed,
  tasksLeft,
  tasksFailed,
  finishedJobs,
}: WorkflowCounts): WorkflowTrigger | null => {
  if (!closed || tasksLeft > 0) return null
  if (tasksFailed === 0) return 'succeeded'
  return finishedJobs > 0 ? 'partly' : 'failed'
}
