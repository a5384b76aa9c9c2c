import { fault } from '../../contract/faults.ts'
import type { Touches } from '../../contract/workflows.ts'
import type { JobState } from '../../domain/job/states.ts'
import { type TaskState, taskHasEnded } from '../../domain/task/states.ts'
import { workflowHasEnded, workflowTable } from '../../domain/workflow/states.ts'
import { type Id, showId } from '../../lib/ids.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import type { Db } from '../../store/db.ts'
import { unfinishedParents } from '../../store/explain.ts'
import * as jobs from '../../store/jobs.ts'
import * as store from '../../store/retry.ts'
import { lockTasks, type TaskFacts } from '../../store/tasks.ts'
import { lockWorkflow, type WorkflowRow } from '../../store/workflows.ts'
import type { Principal } from '../access/authenticate.ts'
import { demand } from '../access/rights.ts'
import type { Effects } from '../engine/effects.ts'
import { type Engine, transact } from '../engine/engine.ts'
import { touchesOfJob, touchesOfTask, touchesOfWorkflow } from '../views/touches.ts'
import { moveWorkflow } from '../workflows/workflows.ts'
import { retriableJobs, retriableTasks, retryPage } from './rounds.ts'

export type Retried = { retried: number; touches?: Touches }

/**
 * A retry runs again what failed or was cancelled, and what was cancelled for it. First it is noted, in one transaction; then it is done, page by page, by who asked, or, should he
 * die, by an agent (`rounds.ts`). Asked twice, the second goes on with what the first has left.
 */
export const retryTask = async (
  engine: Engine,
  principal: Principal,
  id: number,
  why: string,
  preview = false,
): Promise<Retried> => {
  const facts = demand(principal, 'write', (await engine.tasks.get([id])).get(id), 'task_unknown')
  await mustBeNoCall(engine, facts, showId('t', id))
  await transact(engine, async (tx) => {
    await store.takeRetryTurn(tx, facts.workflowId)
    const [task] = await lockTasks(tx, [id])
    if (await store.isRetrying(tx, facts.workflowId, id)) return
    mustRest(showId('t', id), task!.state, retriableTasks, taskHasEnded(task!.state))
    await mustNotHaveExpired(tx, facts.workflowId)
    if (preview) return
    await store.pushRetries(tx, facts.workflowId, [{ taskId: id, jobId: null, orphans: false, why }], engine.clock())
  })
  if (preview) return { retried: 0, touches: await touchesOfTask(engine, id, 'retry') }
  return goThrough(engine, facts.workflowId, showId('t', id), () => whatIsMissing(engine, id))
}

export const retryJob = async (
  engine: Engine,
  principal: Principal,
  id: number,
  why: string,
  preview = false,
): Promise<Retried> => {
  const taskId = await jobs.taskOfJob(engine.db, id)
  const known = taskId === undefined ? undefined : (await engine.tasks.get([taskId])).get(taskId)
  const facts = demand(principal, 'write', known, 'job_unknown')
  await mustBeNoCall(engine, facts, showId('j', id))
  await transact(engine, async (tx) => {
    await store.takeRetryTurn(tx, facts.workflowId)
    const [job] = await jobs.lockJobs(tx, [id])
    const [task] = await lockTasks(tx, [facts.id])
    mustRest(showId('j', id), job!.state, retriableJobs, job!.state === 'finished' || job!.state === 'closed')
    const ending = [task!, ...(await store.callsOf(tx, facts.workflowId, [id]))].find((t) => isEnding(t.state))
    if (ending) throw notYet(showId('j', id), showId('t', ending.id), ending.state)
    await mustNotHaveExpired(tx, facts.workflowId)
    if (preview) return
    const row = { taskId: facts.id, jobId: id, orphans: false, why }
    await store.pushRetries(tx, facts.workflowId, [row], engine.clock())
  })
  if (preview) return { retried: 0, touches: await touchesOfJob(engine, id, 'retry') }
  return goThrough(engine, facts.workflowId, showId('j', id), () => unfinishedParents(engine.db, id, 3))
}

/**
 * Of a workflow everything that it asks for itself. When its function is a job, that is what comes back, with its calls; when a program of a person drives it, its calls come back at once
 * and it is paused until its program is started again.
 */
export const retryWorkflow = async (
  engine: Engine,
  principal: Principal,
  id: number,
  why: string,
  preview = false,
): Promise<Retried> => {
  const { kind } = demand(principal, 'write', await engine.workflows.get(id), 'workflow_unknown')
  const isDriven = kind === 'function' || kind === 'session'
  await transact(engine, async (tx, effects) => {
    await store.takeRetryTurn(tx, id)
    const tasks = await store.ownTasksIn(tx, id, retriableTasks)
    const row = (await lockWorkflow(tx, id))!
    if (await store.isRetrying(tx, id, null)) return
    mustRest(showId('w', id), row.state, statesLeftBy(workflowTable, 'retried'), workflowHasEnded(row.state))
    if (isDriven && !(await store.hasRun(tx, id)))
      throw notRetriable(`${showId('w', id)} has no program that could continue it: start it anew`)
    const left = await store.taskUnderWay(tx, id)
    if (left !== undefined) throw notYet(showId('w', id), showId('t', left), 'under way')
    if (preview) return
    const rows = tasks.map((taskId) => ({ taskId, jobId: null, orphans: false, why }))
    await store.pushRetries(tx, id, rows, engine.clock())
    if (isDriven) await reopenDriven(engine, tx, effects, row, why)
  })
  if (preview) return { retried: 0, touches: await touchesOfWorkflow(engine, id, 'retry') }
  if (isDriven) return { retried: await sumOfPages(engine, id) }
  return goThrough(engine, id, showId('w', id), async () => [])
}

/** Its earlier driver is refused from here on, should it live. The one that continues it finds in the journal what has finished. */
const reopenDriven = async (engine: Engine, tx: Db, effects: Effects, row: WorkflowRow, why: string): Promise<void> => {
  await moveWorkflow(engine, tx, effects, row, 'retried', why)
  await store.reopenWorkflow(tx, row.id)
  const running = { ...row, state: 'running' as const }
  await moveWorkflow(
    engine,
    tx,
    effects,
    running,
    'driverLost',
    'it was retried, and goes on when its program is started again',
  )
}

const goThrough = async (
  engine: Engine,
  workflowId: number,
  subject: Id,
  missing: () => Promise<{ noun: 'j' | 't'; id: number; state: string }[]>,
): Promise<Retried> => {
  const retried = await sumOfPages(engine, workflowId)
  if (retried > 0) return { retried }
  const [first] = await missing()
  throw notRetriable(
    first
      ? `nothing of ${subject} can run, since ${showId(first.noun, first.id)}, which it needs, is ${first.state}: culm retry ${showId(first.noun, first.id)} brings back what waits for it`
      : `nothing of ${subject} is left to run again`,
  )
}

const sumOfPages = async (engine: Engine, workflowId: number): Promise<number> => {
  for (let sum = 0; ; ) {
    const n = await retryPage(engine, workflowId)
    if (n === null) return sum
    sum += n
  }
}

const whatIsMissing = async (engine: Engine, taskId: number) => {
  const [first] = await store.lostJobs(engine.db, {
    taskId,
    orphans: false,
    states: retriableJobs,
    afterIndex: -1,
    limit: 1,
  })
  return first ? unfinishedParents(engine.db, first.id, 3) : []
}

/** A program has been told how its calls ended, and went on from there: it calls again, or all of it is retried. */
const mustBeNoCall = async (engine: Engine, { workflowId, parentJobId }: TaskFacts, subject: Id): Promise<void> => {
  const { kind } = (await engine.workflows.get(workflowId))!
  const caller =
    kind !== 'tasks' ? showId('w', workflowId) : parentJobId !== null ? showId('j', parentJobId) : undefined
  if (caller)
    throw notRetriable(
      `${subject} belongs to the program of ${caller}, which was told how it ended: when that has ended, culm retry ${caller} runs both again`,
    )
}

const mustRest = <State extends JobState | TaskState | WorkflowRow['state']>(
  subject: Id,
  state: State,
  retriable: readonly State[],
  isOver: boolean,
): void => {
  if (retriable.includes(state)) return
  throw notRetriable(
    isOver
      ? `${subject} is ${state}, which leaves nothing to run again`
      : `${subject} is ${state}: it can be retried when it has ended`,
  )
}

const isEnding = (state: TaskState): boolean => state === 'aborting' || state === 'finishing'

const notYet = (subject: Id, left: Id, state: string) =>
  notRetriable(`${left} of ${subject} is ${state} still: ask again when it has ended`)

const mustNotHaveExpired = async (tx: Db, workflowId: number): Promise<void> => {
  const { state } = (await lockWorkflow(tx, workflowId))!
  if (workflowHasEnded(state) && !statesLeftBy(workflowTable, 'retried').includes(state))
    throw notRetriable(`${showId('w', workflowId)} is ${state}, which leaves nothing to run again`)
}

const notRetriable = (detail: string) => fault('not_retriable', detail)
