import { randomUUID } from 'node:crypto'
import type { Client } from '../../contract/client.ts'
import type { BodyInputOf } from '../../contract/routes.ts'
import { maxJobsPerRequest, type NewJob } from '../../contract/tasks.ts'
import { currentTrace } from '../../sdk/trace.ts'

export type WantedTask = Omit<BodyInputOf<'submitTask'>, 'workflowId' | 'jobs' | 'open'>

export type WantedJobs = {
  /** How many; they differ in their index alone. */
  jobs: number
  /** Jobs that must have finished before each of them. */
  afterJobs?: `j${number}`[]
  jobsPerRequest?: number
}

export type Submitted = {
  workflowId: `w${number}`
  taskId: `t${number}`
  firstJobId: `j${number}`
  /** Of the last request; others' jobs may have numbers between the two. */
  lastJobId: `j${number}`
  jobs: number
}

/** Submits a task as a workflow of its own, which ends with it. One that was refused leaves no open workflow behind. */
export const submitTask = async (client: Client, task: WantedTask, wanted: WantedJobs): Promise<Submitted> => {
  const { name, labels } = task
  const { workflowId } = await client.call('createWorkflow', {
    body: { name, kind: 'tasks', labels },
    key: randomUUID(),
  })
  try {
    const submitted = await submitJobs(client, { ...task, workflowId }, wanted)
    await client.call('closeWorkflow', { params: { id: workflowId }, repeat: true })
    return { workflowId, ...submitted, jobs: wanted.jobs }
  } catch (error) {
    const body = { why: 'it could not be submitted' }
    await client.call('cancelWorkflow', { params: { id: workflowId }, body, repeat: true }).catch(() => {})
    throw error
  }
}

/** What does not fit into one request follows in further ones. */
const submitJobs = async (
  client: Client,
  task: WantedTask & { workflowId: `w${number}` },
  { jobs, afterJobs, jobsPerRequest = maxJobsPerRequest }: WantedJobs,
): Promise<Pick<Submitted, 'taskId' | 'firstJobId' | 'lastJobId'>> => {
  const some = (n: number) => Array<NewJob>(n).fill({ args: { text: '{}' }, after: afterJobs })
  const first = Math.min(jobs, jobsPerRequest)
  const body = { ...task, jobs: some(first), open: first < jobs }
  const submitted = await client.call('submitTask', { body, key: randomUUID(), trace: currentTrace() })
  const { taskId, firstJobId } = submitted
  let { lastJobId } = submitted
  for (let firstIndex = first; firstIndex < jobs; firstIndex += jobsPerRequest) {
    const n = Math.min(jobs - firstIndex, jobsPerRequest)
    const more = { firstIndex, jobs: some(n), close: firstIndex + n === jobs }
    const added = await client.call('addJobs', { params: { id: taskId }, body: more, repeat: true })
    lastJobId = added.lastJobId ?? lastJobId
  }
  return { taskId, firstJobId: firstJobId!, lastJobId: lastJobId! }
}
