import type { Value } from '../contract/base.ts'
import { fault } from '../contract/faults.ts'
import type { FunctionTask, NewJob, NewTask, Payload, SubmittedTask } from '../contract/tasks.ts'
import { type JobState, jobEnds } from '../domain/job/states.ts'
import { taskHasEnded } from '../domain/task/states.ts'
import { type Batcher, makeBatcher } from '../lib/batcher.ts'
import { readId, showId } from '../lib/ids.ts'
import { decideQueues } from '../policy/broker/decide.ts'
import { type HandOver, type Offer, planHandOver } from '../policy/share/handOver.ts'
import { hasBundle } from '../store/blobs.ts'
import type { ClaimedRow } from '../store/claims.ts'
import type { Db } from '../store/db.ts'
import { insertEdges, insertTaskEdges, lockParents, pendingJobsOf, waitsForTasks } from '../store/edges.ts'
import { jobIdsFrom, lockFamilies, lockJobs } from '../store/jobs.ts'
import {
  type InsertedTask,
  insertJobs,
  insertTasks,
  knownCall,
  lockOpenTask,
  lockTasks,
  type NewCallRow,
  type NewJobRows,
  type NewTaskRow,
  type TaskFacts,
  type TaskRow,
  type TaskToInsert,
} from '../store/tasks.ts'
import { type WorkflowOwner, workflowById } from '../store/workflows.ts'
import { otherAttempts } from './attemptLimits.ts'
import type { Principal } from './authenticate.ts'
import { sentValue } from './claimJobs.ts'
import { Effects } from './effects.ts'
import { type Engine, transact } from './engine.ts'
import { checkEnvironmentOf, storedPayload } from './environments.ts'
import { driverReplaced, refuseDriver, scopeOf } from './journal.ts'
import { batchWatch } from './metrics.ts'
import { errorText, moveJobs } from './moveJobs.ts'
import type { OpenClaim } from './openClaims.ts'
import { reuseResults } from './reuse.ts'
import { demand, experimentOf } from './rights.ts'
import { checkSecrets } from './secrets.ts'
import { pauseInHeld, settleJobs } from './sweeps.ts'

/**
 * Takes a task with its jobs. Without edges it is one statement: one trip, one commit, and whoever waits for work is woken. A call that the journal knows
 * already gives the same task again, so a repeated request has one effect.
 */
export const submitTask = async (
  engine: Engine,
  principal: Principal,
  task: NewTask,
  trace: string | null = null,
): Promise<SubmittedTask> => {
  const workflowId = readId('w', task.workflowId)!
  const workflow = await mayAddTo(engine, principal, workflowId)
  await checkTask(engine, principal, task)
  if (task.call?.seen?.includes('\u0000')) throw fault('invalid_text', 'call.seen holds a raw NUL')
  const laneId = await laneFor(engine, task)
  const row = rowOf(principal, task, workflow, laneId, trace)
  const call = task.call
    ? { scope: scopeOf(principal), key: task.call.key, epoch: task.call.epoch, seen: task.call.seen ?? null }
    : null
  const hasEdges = (task.after?.length ?? 0) > 0 || task.jobs.some((j) => j.after && j.after.length > 0)
  const made =
    hasEdges || task.cache
      ? await insertByTheDoor(engine, principal, task, row, call)
      : ((await insertPlain(engine, { row, call, jobs: jobRows(task.jobs) })) ??
        (await insertIfHeld(engine, principal, task, row, call)))
  if (made)
    return {
      taskId: showId('t', made.taskId),
      firstJobId: showJob(made.firstJobId),
      lastJobId: showJob(made.lastJobId),
      jobs: task.jobs.length,
      known: false,
    }
  return knownOrRefused(engine, workflowId, call)
}

/**
 * Checks the task of a workflow function that is to run as a job, and gives what inserts it in the transaction that makes its workflow: neither is ever there without the other.
 */
export const checkFunctionTask = async (
  engine: Engine,
  principal: Principal,
  { args, ...rest }: FunctionTask,
  trace: string | null,
): Promise<(tx: Db, effects: Effects, workflow: TaskOwner) => Promise<void>> => {
  const task = { ...rest, jobs: [{ args }], open: false }
  await checkTask(engine, principal, task)
  const laneId = await laneFor(engine, task)
  return async (tx, effects, workflow) => {
    const row = rowOf(principal, task, workflow, laneId, trace)
    const [made] = await insertTasks(tx, [{ row, call: null, jobs: jobRows(task.jobs) }], engine.clock())
    effects.afterwards(() => engine.tasks.keep({ ...row, id: made!.taskId }))
    effects.afterwards(() => engine.lanes.enqueued(laneId, 0), `lane:${laneId}`)
    effects.ring('agent:fold')
  }
}

const showJob = (id: number | null) => (id === null ? null : showId('j', id))

/** What is submitted at the same moment goes in one statement; a lone task waits for nothing. */
const insertPlain = (engine: Engine, task: TaskToInsert): Promise<InsertedTask | null> => {
  const batcher = inserts.get(engine) ?? makeInserts(engine)
  inserts.set(engine, batcher)
  return batcher(task)
}

const inserts = new WeakMap<Engine, Batcher<TaskToInsert, InsertedTask | null>>()

/** Two statements at a time: while one waits for the disk, the other is computed. */
const makeInserts = (engine: Engine) =>
  makeBatcher<TaskToInsert, InsertedTask | null>({
    run: (tasks) => insertAndHand(engine, tasks),
    maxItems: 5000,
    watch: batchWatch(engine.metrics, 'submit'),
    weightOf: ({ jobs }) => 1 + jobs.args.length,
    lanes: 2,
  })

/** Writes them, and hands their jobs to the claims that wait for such; what is left waits in its lane, whose bell is rung. */
const insertAndHand = async (engine: Engine, tasks: TaskToInsert[]): Promise<(InsertedTask | null)[]> => {
  const open = engine.openClaims.inOrder
  const plans =
    open.length > 0
      ? planHandOver(
          tasks.map((task) => offerOf(engine, task)),
          open,
        )
      : []
  const places = [...new Set(plans.flat().map(({ claim }) => claim))]
  const claims = places.map((place) => open[place]!)
  const planned = tasks.map((task, i) => ({ ...task, claims: claimsOf(plans[i] ?? [], places) }))
  const inserting = insertTasks(engine.db, planned, engine.clock(), claims).then((made) => {
    for (const [i, task] of made.entries()) if (task) engine.tasks.keep({ ...tasks[i]!.row, id: task.taskId })
    return made
  })
  if (claims.length > 0)
    engine.openClaims.hand(
      claims,
      inserting.then((made) => handedRows(planned, made, claims)),
    )
  const made = await inserting
  engine.tell(effectsOf(engine, planned, made))
  // Who runs the jobs is answered first, then who submitted them.
  if (claims.length > 0) await nextTurn()
  return made
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const offerOf = (engine: Engine, { row, jobs }: TaskToInsert): Offer => {
  const { queueIds, cores, memoryMb, gpus } = engine.lanes.facts(row.laneId)!
  return { queueIds, cores, memoryMb, gpus, jobs: row.state === 'ready' ? jobs.args.length : 0 }
}

/** For each of the first jobs the place of its claim among those that get any. */
const claimsOf = (given: HandOver[], places: number[]): number[] =>
  given.flatMap(({ claim, jobs }) => new Array<number>(jobs).fill(places.indexOf(claim)))

/** What each claim got: the rows that `claimReady` would have brought. */
const handedRows = (
  tasks: TaskToInsert[],
  made: (InsertedTask | null)[],
  claims: OpenClaim[],
): Map<OpenClaim, ClaimedRow[]> => {
  const rows = new Map(claims.map((claim): [OpenClaim, ClaimedRow[]] => [claim, []]))
  made.forEach((task, i) => {
    const { jobs, claims: places = [] } = tasks[i]!
    task?.sent.forEach((jobId, index) => {
      const [args, blob, bytes] = [jobs.args[index]!, jobs.blobs[index]!, jobs.bytes[index]!]
      if (jobId !== null)
        rows.get(claims[places[index]!]!)!.push({ jobId, taskId: task.taskId, index, attempt: 1, args, blob, bytes })
    })
  })
  return rows
}

const effectsOf = (engine: Engine, tasks: TaskToInsert[], made: (InsertedTask | null)[]): Effects => {
  const effects = new Effects()
  made.forEach((task, i) => {
    const { row, jobs } = tasks[i]!
    const isLeft = task && task.sent.filter((id) => id !== null).length < jobs.args.length
    if (isLeft)
      effects.afterwards(
        () => engine.lanes.enqueued(row.laneId, rankOf(row.priority, task.firstJobId!)),
        `lane:${row.laneId}`,
      )
  })
  effects.ring('agent:fold')
  return effects
}

/** As `store/tasks.ts` computes it. */
const rankOf = (priority: number, jobId: number): number => (8000 - priority) * 2 ** 40 + jobId

/** A workflow that a person holds takes tasks, and none of them begins. */
const insertIfHeld = async (
  engine: Engine,
  principal: Principal,
  task: NewTask,
  row: NewTaskRow,
  call: NewCallRow | null,
): Promise<InsertedTask | null> =>
  (await workflowById(engine.db, row.workflowId))?.held ? insertByTheDoor(engine, principal, task, row, call) : null

/** With edges or stored results, or into a workflow that is held. The parents are locked first, so that none can finish unseen between the look at it and the edge. */
const insertByTheDoor = (
  engine: Engine,
  principal: Principal,
  task: NewTask,
  row: NewTaskRow,
  call: NewCallRow | null,
) =>
  transact(engine, async (tx, effects) => {
    const parents = await lockJobParents(tx, principal, task.jobs)
    const parentTasks = await lockTaskParents(tx, principal, task.after ?? [])
    const waitingTasks = parentTasks.filter((t) => t.state !== 'done')
    const base = waitingTasks.length > 0 ? 1 : 0
    const unmets = task.jobs.map((job) => base + unmetOf(job, parents))
    const rows = { ...jobRows(task.jobs), states: unmets.map((n) => (n > 0 ? 'pending' : 'activated')), unmets }
    const state = base ? 'pending' : row.state
    const [made] = await insertTasks(
      tx,
      [{ row: { ...row, state, unmet: waitingTasks.length }, call, jobs: rows }],
      engine.clock(),
      [],
      true,
    )
    if (!made) return null
    effects.afterwards(() => engine.tasks.keep({ ...row, id: made.taskId }))
    if (parentTasks.length > 0)
      await insertTaskEdges(
        tx,
        made.taskId,
        parentTasks.map((t) => ({ id: t.id, released: t.state === 'done' })),
      )
    await addJobEdges(engine, tx, effects, made.taskId, 0, task.jobs, parents)
    if (waitingTasks.some((t) => taskHasEnded(t.state)))
      await cancelOrphans(
        engine,
        tx,
        effects,
        made.taskId,
        waitingTasks.map((t) => t.id),
      )
    const { ownerId } = row
    if (task.cache)
      await reuseResults(
        engine,
        tx,
        effects,
        { payload: JSON.parse(row.payload) as Payload, taskId: made.taskId, ownerId, common: task.common ?? null },
        0,
        task.jobs,
      )
    await holdNew(engine, tx, effects, row.workflowId, made.taskId)
    effects.afterwards(() => engine.lanes.enqueued(row.laneId, 0), `lane:${row.laneId}`)
    effects.ring('agent:fold')
    return made
  })

/** The jobs of a new task, if a person holds its workflow. */
const holdNew = async (engine: Engine, tx: Db, effects: Effects, workflowId: number, taskId: number): Promise<void> => {
  if (!(await workflowById(tx, workflowId))!.held) return
  const [paused] = await pauseInHeld(engine, tx, effects, workflowId, [taskId])
  if (paused) await settleFrom(engine, tx, effects, paused, 0)
}

/** Nobody else sees these jobs yet. */
const settleFrom = async (engine: Engine, tx: Db, effects: Effects, task: TaskRow, first: number): Promise<void> => {
  const ids = (await jobIdsFrom(tx, task.id, first)).map((job) => job.id)
  await settleJobs(engine, tx, effects, task, await lockJobs(tx, ids))
}

type Parent = { id: number; state: JobState; released: boolean }

/** How many of its parents are not released yet; one that is named twice is one edge. */
const unmetOf = (job: NewJob, parents: Map<number, Parent>): number =>
  [...new Set(job.after)].filter((id) => !parents.get(readId('j', id)!)!.released).length

const lockJobParents = async (tx: Db, principal: Principal, jobs: readonly NewJob[]): Promise<Map<number, Parent>> => {
  const ids = [...new Set(jobs.flatMap((job) => job.after ?? []))].map((id) => readId('j', id)!)
  if (ids.length === 0) return new Map()
  const rows = await lockParents(tx, ids)
  const strangers = rows.filter((row) => row.ownerId !== ownerOf(principal))
  if (rows.length < ids.length || strangers.length > 0)
    throw fault('parent_unknown', 'a job named in `after` does not exist, or is not yours')
  return new Map(rows.map((row) => [row.id, row]))
}

const lockTaskParents = async (tx: Db, principal: Principal, after: readonly string[]) => {
  const ids = [...new Set(after)].map((id) => readId('t', id)!)
  const rows = ids.length > 0 ? await lockTasks(tx, ids) : []
  if (rows.length < ids.length || rows.some((row) => row.ownerId !== ownerOf(principal)))
    throw fault('parent_unknown', 'a task named in `after` does not exist, or is not yours')
  return rows
}

/** Edges of the new jobs; those whose parent has ended badly already are cancelled at once. */
const addJobEdges = async (
  engine: Engine,
  tx: Db,
  effects: Effects,
  taskId: number,
  first: number,
  jobs: readonly NewJob[],
  parents: Map<number, Parent>,
) => {
  const withParents = jobs.flatMap((job, i) =>
    job.after?.length ? [{ index: first + i, after: job.after.map((id) => readId('j', id)!) }] : [],
  )
  if (withParents.length === 0) return
  const ids = await jobIdsFrom(tx, taskId, first)
  const idAt = new Map(ids.map((row) => [row.index, row.id]))
  const edges = withParents.flatMap(({ index, after }) =>
    after.map((parentId) => ({ parentId, childId: idAt.get(index)! })),
  )
  await insertEdges(tx, edges)
  const orphans = edges.filter((e) => isBadEnd(parents.get(e.parentId)!.state)).map((e) => e.childId)
  if (orphans.length > 0)
    await cancelForParent(engine, tx, effects, [...new Set(orphans)], 'a job it should run after did not finish')
}

const isBadEnd = (state: JobState): boolean => state !== 'finished' && (jobEnds as readonly JobState[]).includes(state)

const cancelOrphans = async (engine: Engine, tx: Db, effects: Effects, taskId: number, parentIds: number[]) => {
  const ids = await pendingJobsOf(tx, taskId, 0, 1_000_000)
  await cancelForParent(
    engine,
    tx,
    effects,
    ids.map((r) => r.id),
    `${parentIds.map((id) => showId('t', id)).join(', ')} did not end well`,
  )
}

export const cancelForParent = async (engine: Engine, tx: Db, effects: Effects, ids: number[], why: string) => {
  const jobs = await lockFamilies(tx, ids)
  await moveJobs(
    engine,
    tx,
    effects,
    jobs.map((job) => ({
      job,
      trigger: 'parentFailed',
      why,
      result: { value: null, blob: null, bytes: null, cause: 'parent', error: errorText('ParentFailed', why) },
    })),
  )
}

/** Adds jobs to an open task. A part that came before is known by its place, and adds nothing. */
export const addJobs = async (
  engine: Engine,
  principal: Principal,
  taskId: number,
  body: { firstIndex: number; jobs: NewJob[]; close: boolean; epoch?: number },
): Promise<SubmittedTask> => {
  const facts = (await engine.tasks.get([taskId])).get(taskId)
  const owned = demand(principal, 'write', facts && { ...facts }, 'task_unknown')
  checkTexts(body)
  return transact(engine, async (tx, effects) => {
    const parents = await lockJobParents(tx, principal, body.jobs)
    // Locked, so that none can end unseen between the look at it and the jobs that wait for it.
    const parentTasks = await lockTasks(tx, await waitsForTasks(tx, taskId))
    const open = (await lockOpenTask(tx, taskId))!
    const { jobs: have, closed, unmet, state, laneId, priority, driverEpoch } = open
    if (body.epoch !== undefined && principal.kind === 'user' && body.epoch !== driverEpoch)
      throw driverReplaced(owned.workflowId, driverEpoch, body.epoch)
    const repeated = body.firstIndex + body.jobs.length <= have
    const reply = {
      taskId: showId('t', taskId),
      firstJobId: null,
      lastJobId: null,
      jobs: body.jobs.length,
      known: repeated,
    }
    if (repeated) return reply
    if (closed || taskHasEnded(state) || state === 'aborting' || state === 'finishing')
      throw fault('task_closed', `${showId('t', taskId)} is ${closed ? 'closed' : state}`)
    if (body.firstIndex !== have)
      throw fault(
        'jobs_out_of_order',
        `the next job of ${showId('t', taskId)} has index ${have}, not ${body.firstIndex}`,
        {
          nextIndex: have,
        },
      )
    const base = unmet > 0 ? 1 : 0
    const unmets = body.jobs.map((job) => base + unmetOf(job, parents))
    const rows = { ...jobRows(body.jobs), states: unmets.map((n) => (n > 0 ? 'pending' : 'activated')), unmets }
    const made = await insertJobs(
      tx,
      { taskId, workflowId: owned.workflowId, laneId, priority, first: have, close: body.close },
      rows,
    )
    await addJobEdges(engine, tx, effects, taskId, have, body.jobs, parents)
    const lost = parentTasks.filter((t) => taskHasEnded(t.state) && t.state !== 'done').map((t) => t.id)
    if (lost.length > 0) await cancelOrphans(engine, tx, effects, taskId, lost)
    if (owned.cache) await reuseResults(engine, tx, effects, reusable(owned), have, body.jobs)
    if (state === 'paused') await settleFrom(engine, tx, effects, open, have)
    effects.afterwards(() => engine.lanes.enqueued(owned.laneId, 0), `lane:${owned.laneId}`)
    effects.ring('agent:fold')
    return { ...reply, firstJobId: showJob(made!.firstJobId), lastJobId: showJob(made!.lastJobId) }
  })
}

const reusable = ({ id, ownerId, payload, common, commonBlob, commonBytes }: TaskFacts) => ({
  taskId: id,
  ownerId,
  payload: JSON.parse(payload) as Payload,
  common: sentValue(common, commonBlob, commonBytes),
})

const ownerOf = (principal: Principal): number => {
  if (principal.kind === 'pilot') throw fault('forbidden', 'a pilot submits nothing')
  return principal.personId
}

/** A look at its workflow, which is remembered for those who call often. A payload's token says that this is its own. */
const mayAddTo = async (engine: Engine, principal: Principal, workflowId: number): Promise<WorkflowOwner> => {
  const workflow = engine.workflows.known(workflowId) ?? (await engine.workflows.get(workflowId))
  if (principal.kind === 'job' && principal.workflowId === workflowId) return workflow!
  return demand(principal, 'write', workflow, 'workflow_unknown')
}

/** A task, whatever names the workflow that it belongs to. */
type TaskBody = Omit<NewTask, 'workflowId'>

/** What a task has of its workflow. */
type TaskOwner = Pick<WorkflowOwner, 'workflowId' | 'environment'>

const checkTask = async (engine: Engine, principal: Principal, task: TaskBody): Promise<void> => {
  checkEnvironmentOf(task.payload)
  await checkBundle(engine, principal, task)
  if (task.secrets) await checkSecrets(engine, principal, task.secrets)
  checkTexts(task)
}

const knownBundles = new WeakMap<Engine, Set<string>>()

const checkBundle = async (engine: Engine, principal: Principal, { payload }: TaskBody): Promise<void> => {
  if (payload.kind !== 'function') return
  const known = knownBundles.get(engine) ?? new Set()
  knownBundles.set(engine, known)
  const key = `${experimentOf(principal)}:${payload.bundle}`
  if (known.has(key)) return
  if (!(await hasBundle(engine.db, experimentOf(principal), payload.bundle)))
    throw fault('bundle_unknown', `no bundle ${payload.bundle}`)
  known.add(key)
}

/** Text that PostgreSQL cannot hold, or that would change on its way into UTF-8, is refused before anything is written. */
const checkTexts = ({
  common,
  jobs,
  payload,
}: {
  common?: Value
  jobs: readonly NewJob[]
  payload?: NewTask['payload']
}) => {
  const bad = (text: string) => text.includes('\u0000') || !text.isWellFormed()
  const check = (value: Value | undefined, place: string) => {
    if (value && 'text' in value && bad(value.text))
      throw fault('invalid_text', `${place} holds a raw NUL or a lone surrogate`)
  }
  check(common, 'common')
  for (const [i, job] of jobs.entries()) check(job.args, `jobs[${i}].args`)
  if (payload && bad(JSON.stringify(payload).replaceAll('\\u0000', '\u0000')))
    throw fault('invalid_text', 'payload holds a NUL or a lone surrogate')
}

/** The broker's decision, from cached facts only. */
const laneFor = async (engine: Engine, task: TaskBody): Promise<number> => {
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

const rowOf = (
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

const jobRows = (jobs: readonly NewJob[]): NewJobRows => ({
  args: jobs.map(({ args }) => ('text' in args ? args.text : null)),
  blobs: jobs.map(({ args }) => ('blob' in args ? args.blob : null)),
  bytes: jobs.map(({ args }) => ('blob' in args ? args.bytes : null)),
  states: jobs.map(() => 'activated'),
  unmets: jobs.map(() => 0),
})

/** Nothing was written: the journal has the call, or the workflow takes no more, or a newer driver runs it. */
const knownOrRefused = async (engine: Engine, workflowId: number, call: NewCallRow | null): Promise<SubmittedTask> => {
  const known = call && (await knownCall(engine.db, workflowId, call.scope, call.key))
  if (known && (call.scope !== 0 || call.epoch === known.driverEpoch))
    return {
      taskId: showId('t', known.taskId),
      firstJobId: showJob(known.firstJobId),
      lastJobId: showJob(known.lastJobId),
      jobs: known.jobs,
      known: true,
    }
  return refuseDriver(engine, workflowId, call?.epoch)
}
