import { type Batcher, makeBatcher } from '../../lib/batcher.ts'
import { type HandOver, type Offer, planHandOver } from '../../policy/share/handOver.ts'
import type { ClaimedRow } from '../../store/claims.ts'
import { type InsertedTask, insertTasks, type TaskToInsert } from '../../store/tasks.ts'
import { Effects } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import { batchWatch } from '../engine/metrics.ts'
import type { OpenClaim } from '../engine/openClaims.ts'

/** What is submitted at the same moment goes in one statement; a lone task waits for nothing. */
export const insertPlain = (engine: Engine, task: TaskToInsert): Promise<InsertedTask | null> => {
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
