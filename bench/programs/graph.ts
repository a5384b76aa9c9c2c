/**
 * A graph of functions that do nothing, in layers: each waits for some of the layer before it. As jobs, a task for each layer, or as tasks of one job each. Prints how long it took
 * from the first submission to the end of the last, s.
 */
import { randomUUID } from 'node:crypto'
import { type Client, makeClient } from '../../src/contract/client.ts'
import type { Payload } from '../../src/contract/tasks.ts'
import { noop } from './noop.ts'

const [what, ...numbers] = process.argv.slice(2) as ['jobs' | 'tasks', ...string[]]
const [layers, width, parents] = numbers.map(Number) as [number, number, number]

type Graph = { api: Client; workflowId: `w${number}`; payload: Payload }
const args = (i: number) => ({ text: `{"a":[${i}]}` })
/** Of the layer before, by their places in it. */
const parentsOf = (i: number) => Array.from({ length: parents }, (_, n) => (i + n * 7) % width)

const submitJobs = async ({ api, ...graph }: Graph): Promise<void> => {
  let before: number | undefined
  for (let layer = 0; layer < layers; layer++) {
    const jobs = Array.from({ length: width }, (_, i) => ({
      args: args(i),
      after: before === undefined ? undefined : parentsOf(i).map((n) => `j${before! + n}` as const),
    }))
    const body = { ...graph, name: `layer ${layer}`, jobs }
    const { firstJobId } = await api.call('submitTask', { body, key: randomUUID() })
    before = Number(firstJobId!.slice(1))
  }
}

const submitTasks = async ({ api, ...graph }: Graph): Promise<void> => {
  let before: `t${number}`[] | undefined
  for (let layer = 0; layer < layers; layer++)
    before = await Promise.all(
      Array.from({ length: width }, async (_, i) => {
        const after = before && parentsOf(i).map((n) => before![n]!)
        const body = { ...graph, name: `${layer}.${i}`, jobs: [{ args: args(i) }], after }
        return (await api.call('submitTask', { body, key: randomUUID() })).taskId
      }),
    )
}

const untilDone = async (api: Client, id: `w${number}`): Promise<void> => {
  for (;;) {
    const { state } = await api.call('getWorkflow', { params: { id } })
    if (state === 'done') return
    if (state !== 'running') throw new Error(`the workflow is ${state}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const payloadOfNoop = async (api: Client): Promise<Payload> => {
  const call = noop.map([0])
  await call
  return (await api.call('getTask', { params: { id: (await call.taskId) as `t${number}` } })).payload
}

const api = makeClient({ url: process.env.CULM_URL!, token: process.env.CULM_TOKEN! })
const payload = await payloadOfNoop(api)
const begin = performance.now()
const { workflowId } = await api.call('createWorkflow', { body: { name: 'graph', kind: 'tasks' }, key: randomUUID() })
await (what === 'jobs' ? submitJobs : submitTasks)({ api, workflowId, payload })
await api.call('closeWorkflow', { params: { id: workflowId }, repeat: true })
await untilDone(api, workflowId)
console.log((performance.now() - begin) / 1000)
await api.close()
process.exit(0)
