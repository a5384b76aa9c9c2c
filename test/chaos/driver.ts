/**
 * A driver of one planned workflow: `node driver.js '{"url":…}'`. Everything it sends is safe to repeat, so one that was killed is started again and goes on where it
 * was. Its last word is one line of JSON: what ended otherwise than planned. Exit code 0: it came to its end.
 */
import { type Client, makeClient } from '../../src/contract/client.ts'
import type { NewJob } from '../../src/contract/tasks.ts'
import { sleep } from '../../src/lib/clock.ts'
import { isFault, messageOf } from '../../src/lib/fault.ts'
import { markScript, type PlannedTask, planWorkflow } from './workload.ts'

export type DriverInput = { url: string; token: string; seed: number; n: number; scale: number; marks: string }
export type DriverReport = { n: number; jobs: number; wrong: string[] }

const { url, token, seed, n, scale, marks } = JSON.parse(process.argv[2]!) as DriverInput
const client = makeClient({ url, token, retrySeconds: 3600 })
const plan = planWorkflow(seed, n, scale)
const wrong: string[] = []

/** Full disks pass, like servers that are away; everything else that is refused is told. */
const call: Client['call'] = async (name, options) => {
  for (;;)
    try {
      return await client.call(name, options)
    } catch (error) {
      if (!isFault(error, 'storage_full')) throw error
      console.error(`${name}: ${messageOf(error)}`)
      await sleep(1000)
    }
}

type Made = { taskId: `t${number}`; jobIds: `j${number}`[] }

const drive = async (): Promise<void> => {
  const { workflowId, epoch, renewSeconds } = await call('createWorkflow', {
    key: `chaos-${seed}-${n}`,
    body: { name: plan.name, kind: plan.kind },
  })
  console.error(`${workflowId} is ${plan.name}`)
  const renewing =
    plan.kind === 'session' ? setInterval(() => void renew(workflowId, epoch), (renewSeconds * 1000) / 2) : undefined
  const made: Made[] = []
  for (const [place, task] of plan.tasks.entries()) made.push(await submit(workflowId, task, place, epoch, made))
  for (const [place, task] of plan.tasks.entries()) await followed(task, made[place]!)
  clearInterval(renewing)
  const ended =
    plan.kind === 'session'
      ? await call('endWorkflow', {
          params: { id: workflowId },
          body: { epoch, state: 'done', value: { text: String(n) } },
          repeat: true,
        })
      : await call('closeWorkflow', { params: { id: workflowId }, repeat: true })
  if (plan.kind === 'session' && ended.state !== 'done')
    wrong.push(`${workflowId} is ${ended.state} after it ended as done`)
  if (plan.kind === 'tasks') await closed(workflowId)
}

const renew = (id: `w${number}`, epoch: number): Promise<unknown> =>
  client.call('renewDriver', { params: { id }, body: { epoch }, repeat: true, retrySeconds: 10 }).catch(() => {})

const submit = async (
  workflowId: `w${number}`,
  task: PlannedTask,
  place: number,
  epoch: number,
  made: Made[],
): Promise<Made> => {
  const jobs = task.jobs.map(
    ({ script, after }): NewJob => ({
      args: { text: JSON.stringify({ a: [markScript + script, marks] }) },
      ...(after ? { after: after.map(([place, index]) => made[place]!.jobIds[index]!) } : {}),
    }),
  )
  const size = Math.ceil(jobs.length / task.parts)
  const key = `${seed}-${n}-${place}`
  const submitted = await call('submitTask', {
    body: {
      workflowId,
      name: task.name,
      payload: { kind: 'command', command: ['sh', '-c'] },
      jobs: jobs.slice(0, size),
      open: task.parts > 1,
      after: task.after?.map((place) => made[place]!.taskId),
      attempts: task.attempts,
      ...(plan.kind === 'session' ? { call: { key, epoch } } : {}),
    },
    ...(plan.kind === 'session' ? { repeat: true } : { key }),
  })
  const { taskId } = submitted
  for (let first = size; first < jobs.length; first += size) {
    const part = jobs.slice(first, first + size)
    const close = first + size >= jobs.length
    await call('addJobs', { params: { id: taskId }, body: { firstIndex: first, jobs: part, close }, repeat: true })
  }
  return { taskId, jobIds: await jobIdsOf(taskId) }
}

const jobIdsOf = async (id: `t${number}`): Promise<`j${number}`[]> => {
  const ids: `j${number}`[] = []
  for (let after: string | undefined; ; ) {
    const { items, next } = await call('listJobs', { params: { id }, query: { limit: 200, after } })
    ids.push(...items.map((job) => job.id))
    if (!next) return ids
    after = next
  }
}

const followed = async (task: PlannedTask, { taskId }: Made): Promise<void> => {
  if (task.cancel) {
    await untilTask(
      taskId,
      ({ counts, endedAt }) => endedAt !== null || (counts.running ?? 0) + (counts.finished ?? 0) > 0,
    )
    await call('cancelTask', { params: { id: taskId }, body: {}, repeat: true }).catch((error) => {
      if (!isFault(error, 'not_cancellable')) throw error
    })
  }
  await untilTask(taskId, ({ endedAt }) => endedAt !== null)
  await compare(task, taskId)
}

const untilTask = async (
  id: `t${number}`,
  holds: (task: Awaited<ReturnType<typeof getTask>>) => boolean,
): Promise<void> => {
  while (!holds(await getTask(id))) await sleep(1000)
}
const getTask = (id: `t${number}`) => call('getTask', { params: { id } })

const compare = async (task: PlannedTask, id: `t${number}`): Promise<void> => {
  let seen = 0
  for (let after: string | undefined; ; ) {
    const { items, next } = await call('listOutcomes', { params: { id }, query: { limit: 1000, after } })
    for (const { jobId, index, state, cause, error } of items) {
      const { expected } = task.jobs[index]!
      if (expected === 'any' ? !['finished', 'cancelled'].includes(state) : state !== expected)
        wrong.push(
          `${jobId} (${plan.name}, ${task.name}, ${index}) is ${state}, not ${expected}: ${cause} ${error?.message}`,
        )
      seen++
    }
    if (!next) break
    after = next
  }
  if (seen !== task.jobs.length)
    wrong.push(`${id} (${plan.name}, ${task.name}) gave ${seen} outcomes for ${task.jobs.length} jobs`)
}

const closed = async (id: `w${number}`): Promise<void> => {
  for (let n = 1; ; n++) {
    const { state } = await call('getWorkflow', { params: { id } })
    // Some of its jobs fail, so part of it is what it comes to.
    if (state === 'finished' || state === 'failed') return
    if (n > 120) return void wrong.push(`${id} is ${state} although it is closed and all its tasks have ended`)
    await sleep(500)
  }
}

await drive().catch((error) => {
  wrong.push(`driver ${n}: ${messageOf(error)}`)
  console.error(error)
})
const report: DriverReport = { n, jobs: plan.tasks.reduce((sum, task) => sum + task.jobs.length, 0), wrong }
console.log(JSON.stringify(report))
await client.close()
