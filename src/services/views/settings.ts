import type { Environment } from '../../contract/environments.ts'
import type { Payload, Setting } from '../../contract/tasks.ts'
import { decideQueues } from '../../policy/broker/decide.ts'
import { type QueueSaid, saysNothing, settingsOf } from '../../policy/settings/decide.ts'
import { allQueues, type QueueRow } from '../../store/lanes.ts'
import type { TaskFacts } from '../../store/tasks.ts'
import { jobLineById } from '../../store/views.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Engine } from '../engine/engine.ts'
import { attemptLimits } from '../jobs/attemptLimits.ts'
import { memoryOf, seeJob } from './jobs.ts'
import { seeTask } from './tasks.ts'

type Settings = { items: Setting[] }

/** What holds for a task, and who said it. */
export const taskSettings = async (engine: Engine, principal: Principal, id: number): Promise<Settings> =>
  settingsOfTask(engine, await seeTask(engine, principal, id))

/** A job has those of its task, but for memory, once an attempt had too little. */
export const jobSettings = async (engine: Engine, principal: Principal, id: number): Promise<Settings> => {
  const task = await seeJob(engine, principal, id)
  const { items } = await settingsOfTask(engine, task)
  const memoryMb = await memoryOf(engine, (await jobLineById(engine.db, id))!.laneId)
  if (memoryMb === task.memoryMb) return { items }
  return { items: items.map((item) => (item.name === 'memoryMb' ? { ...item, value: memoryMb, from: 'retry' } : item)) }
}

/** What holds for tasks of a workflow that say nothing themselves. */
export const workflowSettings = async (engine: Engine, principal: Principal, id: number): Promise<Settings> => {
  const { environment } = demand(principal, 'read', await engine.workflows.get(id), 'workflow_unknown')
  const ofWorkflow = said(environment)
  if (engine.lanes.queues.length === 0) await engine.lanes.refresh()
  const choice = decideQueues(engine.lanes.queues, { queue: null, site: null, cores: saysNothing.cores })
  const queues = await queuesSaid(engine, choice.kind === 'chosen' ? choice.queueIds : [])
  return { items: settingsOf({ ...saysNothing, environment: ofWorkflow, ofWorkflow }, queues) }
}

const settingsOfTask = async (engine: Engine, task: TaskFacts): Promise<Settings> => {
  const payload: Payload = JSON.parse(task.payload)
  const workflow = await engine.workflows.get(task.workflowId)
  const asked = {
    ...task,
    attempts: attemptLimits(task),
    isCommand: payload.kind === 'command',
    environment: payload.environment,
    ofWorkflow: said(workflow?.environment),
  }
  return { items: settingsOf(asked, await queuesSaid(engine, engine.lanes.facts(task.laneId)?.queueIds ?? [])) }
}

const queuesSaid = async (engine: Engine, ids: readonly number[]): Promise<QueueSaid[]> =>
  (await allQueues(engine.db)).filter(({ id }) => ids.includes(id)).map(queueSaid)

const queueSaid = ({ name, lostAfterSeconds, environment }: QueueRow): QueueSaid => ({
  ...{ name, lostAfterSeconds },
  environment: said(environment),
})

const said = (text: string | null | undefined): Environment | undefined => (text ? JSON.parse(text) : undefined)
