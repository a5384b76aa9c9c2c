import { fault } from '../../contract/faults.ts'
import type { Touches } from '../../contract/workflows.ts'
import { type TaskTrigger, taskHasEnded, taskTable } from '../../domain/task/states.ts'
import { workflowHasEnded } from '../../domain/workflow/states.ts'
import { type Id, showId } from '../../lib/ids.ts'
import { step } from '../../lib/machine.ts'
import type { Action } from '../../policy/steer/touches.ts'
import type { Db } from '../../store/db.ts'
import { dropRetries, takeRetryTurn } from '../../store/retry.ts'
import { askSweeps, type SweepKind } from '../../store/sweeps.ts'
import { lockTasks, type TaskRow } from '../../store/tasks.ts'
import { timerOf } from '../../store/timers.ts'
import { closeWorkflow, holdWorkflow, lockWorkflow, type WorkflowRow } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { touchesOfTask, touchesOfWorkflow } from '../views/touches.ts'
import { moveWorkflow } from '../workflows/workflows.ts'
import { cancelWaitingOf } from './cancel.ts'
import { beginSweep, finishTasks, giveTasksPriority, pauseTasks, resumeTasks } from './sweeps.ts'

/** `why`: in the words of whoever asks. `preview`: only what it would touch, and whether it can be done. */
export type Steering = { why?: string; preview: boolean }
export type Steered = { touches: Touches }

/** So many pages of jobs that wait are cancelled by who finishes their task; the rest by the agent that folds its counters. */
const ownPages = 10

/** Nothing of it begins any more until it is resumed; what runs may end. Paused again, nothing changes. */
export const pauseTask = (engine: Engine, principal: Principal, id: number, steering: Steering): Promise<Steered> =>
  steerTask(
    engine,
    principal,
    id,
    { action: 'pause', trigger: 'pauseAsked', done: 'paused', steering },
    async (...at) => {
      await pauseTasks(engine, ...at)
    },
  )

export const resumeTask = (engine: Engine, principal: Principal, id: number, steering: Steering): Promise<Steered> =>
  steerTask(
    engine,
    principal,
    id,
    { action: 'resume', trigger: 'resumed', done: 'resumed', steering, check: mustNotBeHeld },
    async (tx, effects, locked, why) => {
      await resumeTasks(engine, tx, effects, locked, why)
    },
  )

const mustNotBeHeld = async (tx: Db, { id, workflowId }: TaskRow): Promise<void> => {
  const workflow = showId('w', workflowId)
  if ((await lockWorkflow(tx, workflowId))!.held)
    throw forbids(showId('t', id), `belongs to ${workflow}, which is paused: culm resume ${workflow}`)
}

/** Among all that wait; what has begun goes on. */
export const prioritiseTask = (
  engine: Engine,
  principal: Principal,
  id: number,
  priority: number,
  steering: Steering,
): Promise<Steered> =>
  steerTask(
    engine,
    principal,
    id,
    { action: 'priority', trigger: 'reprioritised', done: 'given another priority', steering, check: mustBeInPlace },
    async (tx, effects, locked, why) => {
      await giveTasksPriority(engine, tx, effects, locked, priority, why)
    },
  )

const mustBeInPlace = async (_tx: Db, { id, formerPriorities }: TaskRow): Promise<void> => {
  if ((formerPriorities?.length ?? 0) >= mostPriorities)
    throw forbids(showId('t', id), 'is still being put where its last priorities belong: ask again in a moment')
}

/** Under so many priorities at once a task may lie: each is looked for when a job of it is moved. */
const mostPriorities = 16

/** What has not begun is cancelled, what runs may end, and it ends as it would. */
export const finishTask = async (
  engine: Engine,
  principal: Principal,
  id: number,
  steering: Steering,
): Promise<Steered> => {
  const steered = await steerTask(
    engine,
    principal,
    id,
    { action: 'finish', trigger: 'finishAsked', done: 'finished', steering },
    async (tx, effects, locked, why) => finishTasks(engine, tx, effects, locked, why),
  )
  if (!steering.preview) await cancelWaitingOf(engine, id, saying('finished', principal, steering.why), ownPages)
  return steered
}

type TaskSteering = {
  action: Action
  trigger: TaskTrigger
  done: string
  steering: Steering
  /** What else may stand in the way. */
  check?: (tx: Db, task: TaskRow) => Promise<void>
}
type ActOnTask = (tx: Db, effects: Effects, locked: TaskRow[], why: string) => Promise<void>

const steerTask = async (
  engine: Engine,
  principal: Principal,
  id: number,
  { action, trigger, done, steering, check }: TaskSteering,
  act: ActOnTask,
): Promise<Steered> => {
  const facts = demand(principal, 'write', (await engine.tasks.get([id])).get(id), 'task_unknown')
  const touches = await touchesOfTask(engine, id, action)
  await transact(engine, async (tx, effects) => {
    if (action === 'finish') await takeRetryTurn(tx, facts.workflowId)
    const locked = await lockTasks(tx, [id])
    if (action === 'pause' && locked[0]!.state === 'paused') return
    mustKnow(locked[0]!, trigger)
    await check?.(tx, locked[0]!)
    if (!steering.preview) await act(tx, effects, locked, saying(done, principal, steering.why))
  })
  if (!steering.preview) await beginSweep(engine, facts.workflowId)
  return { touches }
}

const mustKnow = ({ id, state }: TaskRow, trigger: TaskTrigger): void => {
  if (step(taskTable, state, trigger).kind === 'moved') return
  if (taskHasEnded(state)) throw forbids(showId('t', id), `is ${state}: it has ended`)
  throw forbids(showId('t', id), trigger === 'resumed' ? `is ${state}, and not paused` : `is ${state}`)
}

/** Who did it stands in the history, and why, if that was said. */
const saying = (done: string, principal: Principal, why: string | undefined): string => {
  const who = principal.kind === 'user' ? principal.name : 'a job'
  return `${done} by ${who}${why ? `: ${why}` : ''}`
}

const forbids = (subject: Id, why: string) => fault('state_forbids', `${subject} ${why}`)

/** Its tasks are paused, and those that come. Its driver may go on to ask for them. */
export const pauseWorkflow = (engine: Engine, principal: Principal, id: number, steering: Steering): Promise<Steered> =>
  steerWorkflow(engine, principal, id, { action: 'pause', done: 'paused', steering }, async (tx, effects, row, why) => {
    if (row.held || steering.preview) return
    await holdWorkflow(tx, id, true)
    await moveWorkflow(engine, tx, effects, row, 'pauseAsked', why)
    await askSweep(engine, tx, id, 'pause', why)
  })

/** All of its tasks go on, also those that were paused one by one. When its driver has fallen silent meanwhile, it still waits for that. */
export const resumeWorkflow = (
  engine: Engine,
  principal: Principal,
  id: number,
  steering: Steering,
): Promise<Steered> =>
  steerWorkflow(
    engine,
    principal,
    id,
    { action: 'resume', done: 'resumed', steering },
    async (tx, effects, row, why) => {
      if (!row.held)
        throw forbids(showId('w', id), row.state === 'paused' ? silentDriver(id) : `is ${row.state}, and not paused`)
      if (steering.preview) return
      await letGo(engine, tx, effects, row, why)
      await askSweep(engine, tx, id, 'pause', why)
    },
  )

const silentDriver = (id: number): string =>
  `waits for its program to be started again, and not for a person: culm explain ${showId('w', id)}`

const letGo = async (engine: Engine, tx: Db, effects: Effects, row: WorkflowRow, why: string): Promise<WorkflowRow> => {
  await holdWorkflow(tx, row.id, false)
  const hasDriver = row.kind === 'function' || row.kind === 'session'
  if (hasDriver && !(await timerOf(tx, 'driver', row.id))) return row
  await moveWorkflow(engine, tx, effects, row, 'resumed', why)
  return { ...row, state: 'running' }
}

export const prioritiseWorkflow = (
  engine: Engine,
  principal: Principal,
  id: number,
  priority: number,
  steering: Steering,
): Promise<Steered> =>
  steerWorkflow(
    engine,
    principal,
    id,
    { action: 'priority', done: 'given another priority', steering },
    async (tx, effects, row, why) => {
      if (steering.preview) return
      await moveWorkflow(engine, tx, effects, row, 'reprioritised', `${priority}, ${why}`)
      await askSweep(engine, tx, id, 'priority', why, priority)
    },
  )

/** Each of its tasks is finished. One without a program takes no more, and ends with the last of them; a program is told of what it does not get, and ends as it will. */
export const finishWorkflow = (
  engine: Engine,
  principal: Principal,
  id: number,
  steering: Steering,
): Promise<Steered> =>
  steerWorkflow(
    engine,
    principal,
    id,
    { action: 'finish', done: 'finished', steering },
    async (tx, effects, row, why) => {
      if (steering.preview) return
      const free = row.held ? await letGo(engine, tx, effects, row, why) : row
      await moveWorkflow(engine, tx, effects, free, 'finishAsked', why)
      if (row.kind === 'tasks') await closeWorkflow(tx, id)
      await dropRetries(tx, id, null)
      await askSweep(engine, tx, id, 'finish', why)
    },
  )

const steerWorkflow = async (
  engine: Engine,
  principal: Principal,
  id: number,
  { action, done, steering }: { action: Action; done: string; steering: Steering },
  act: (tx: Db, effects: Effects, row: WorkflowRow, why: string) => Promise<void>,
): Promise<Steered> => {
  demand(principal, 'write', await engine.workflows.get(id), 'workflow_unknown')
  const touches = await touchesOfWorkflow(engine, id, action)
  await transact(engine, async (tx, effects) => {
    if (action === 'finish') await takeRetryTurn(tx, id)
    const row = (await lockWorkflow(tx, id))!
    if (workflowHasEnded(row.state)) throw forbids(showId('w', id), `is ${row.state}: it has ended`)
    await act(tx, effects, row, saying(done, principal, steering.why))
  })
  if (!steering.preview) await beginSweep(engine, id)
  return { touches }
}

const askSweep = (
  engine: Engine,
  tx: Db,
  workflowId: number,
  what: SweepKind,
  why: string,
  priority: number | null = null,
) => askSweeps(tx, { workflowId, taskIds: [0], what, priority, why, now: engine.clock() })
