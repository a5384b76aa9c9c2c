import type { Environment } from '../../contract/environments.ts'
import type { Claim, ClaimedTask, ClaimReply } from '../../contract/pilots.ts'
import type { Payload } from '../../contract/tasks.ts'
import { jobTable } from '../../domain/job/states.ts'
import { showId } from '../../lib/ids.ts'
import { statesLeftBy } from '../../lib/machine.ts'
import { type ClaimPlan, planClaim } from '../../policy/share/plan.ts'
import { checkpointsOf } from '../../store/checkpoints.ts'
import * as store from '../../store/claims.ts'
import { cancelsFor } from '../../store/pilots.ts'
import type { TaskFacts } from '../../store/tasks.ts'
import { jobToken, type Principal } from '../access/authenticate.ts'
import { givenSecrets } from '../access/secrets.ts'
import type { BellKey, Engine } from '../engine/engine.ts'
import { environmentIn } from '../environments.ts'
import { sentValue } from '../values.ts'
import { claimingPilot, hearClaimant } from './pilots.ts'

const claimable = statesLeftBy(jobTable, 'claimed')

/** However long a claim may be held open, it looks for itself once a second: a lost ring costs no more than that. */
const lookEveryMs = 1000

/** Why a claim looks: it has just come, somebody rang, or it has waited for a while. */
type Look = 'first' | 'rung' | 'overdue'

/**
 * Answers an open claim: at once when there is work, a slot for a waiting job, or a word to cancel; otherwise when one of these comes, or empty when its time is
 * over. While it waits, work that is submitted here may be handed to it. The same `claimSeq` gets the same jobs, so a lost answer loses nothing.
 */
export const claimJobs = async (
  engine: Engine,
  principal: Principal,
  pilotId: number,
  claim: Claim,
  signal: AbortSignal,
): Promise<ClaimReply> => {
  const pilot = { id: pilotId, ...(await claimingPilot(engine, principal, pilotId, claim.epoch)) }
  const until = engine.clock().getTime() + claim.waitSeconds * 1000
  const resumeLane = await engine.lanes.resumeLane(pilotId, pilot.queueId)
  for (let look: Look = 'first'; ; ) {
    const lanes = engine.lanes.ofQueue(pilot.queueId)
    const { rung, cancel } = engine.bell.arm([
      ...lanes.map((l): BellKey => `lane:${l.laneId}`),
      `lane:${resumeLane}`,
      `pilot:${pilotId}`,
      'lanes',
    ])
    try {
      const reply = await claimOnce(engine, pilot, claim, resumeLane, look)
      const left = until - engine.clock().getTime()
      if (reply || left <= 0 || signal.aborted) return answered(engine, pilot, claim, reply)
      const { handed, next } = await waitForWork(engine, pilot, claim, rung, Math.min(left, lookEveryMs), signal)
      // Should the pilot have hung up meanwhile, it asks again with its number.
      if (handed.length > 0)
        return answered(engine, pilot, claim, await replyOf(engine, pilot, claim.claimSeq, handed, [], []))
      look = next
    } finally {
      cancel()
    }
  }
}

type ClaimingPilot = { id: number; queueId: number; answered: number }

const answered = async (
  engine: Engine,
  pilot: ClaimingPilot,
  { claimSeq }: Claim,
  reply: ClaimReply | undefined,
): Promise<ClaimReply> => {
  const known = engine.pilots.get(pilot.id)
  if (known) known.answered = claimSeq
  return reply ?? replyOf(engine, pilot, claimSeq, [], [], [])
}

/** Until somebody rings or hands work over, at most `ms`. */
const waitForWork = async (
  engine: Engine,
  pilot: ClaimingPilot,
  { epoch, claimSeq, ...room }: Claim,
  rung: Promise<void>,
  ms: number,
  signal: AbortSignal,
): Promise<{ handed: store.ClaimedRow[]; next: Look }> => {
  const open = engine.openClaims.open({
    pilotId: pilot.id,
    queueId: pilot.queueId,
    epoch,
    claimSeq,
    room: { cores: room.cores, memoryMb: room.memoryMb ?? null, gpus: room.gpus ?? 0, jobs: room.jobs },
  })
  let next: Look = 'overdue'
  const woken = Promise.race([rung, open.taken]).then(() => {
    next = 'rung'
  })
  await engine.wait(woken, ms, signal)
  return { handed: await open.close(), next }
}

/**
 * Those that ran before and want their slot back come first, then new work. What the pilot should cancel, and whether this claim was answered before, is asked
 * when there is a reason: a claim that finds nothing costs nothing.
 */
const claimOnce = async (
  engine: Engine,
  pilot: ClaimingPilot,
  claim: Claim,
  resumeLane: number,
  look: Look,
): Promise<ClaimReply | undefined> => {
  const resumed = await resumeWaiting(engine, pilot.id, claim, resumeLane)
  const rows = await claimNew(engine, pilot, claim, claim.cores - resumed.length)
  // Another process may have answered it: one that has nothing for it asks when it has waited for a while.
  const mayBeRepeated =
    rows.length === 0 && (look === 'overdue' || (look === 'first' && claim.claimSeq !== pilot.answered + 1))
  if (mayBeRepeated) rows.push(...(await store.claimedBefore(engine.db, pilot.id, claim.epoch, claim.claimSeq)))
  const mayCancel = engine.rungPilots.delete(pilot.id)
  const cancel = mayCancel ? untold(engine, pilot.id, await cancelsFor(engine.db, pilot.id, claim.epoch)) : []
  if (cancel.length + resumed.length + rows.length === 0) return undefined
  return replyOf(engine, pilot, claim.claimSeq, rows, resumed, cancel)
}

/** A word to cancel is said once by a claim (its renewals repeat it): said each time, no claim would be held open while a job takes its time to end. */
const untold = (engine: Engine, pilotId: number, cancels: { jobId: number; attempt: number }[]) => {
  const told = engine.toldCancels.get(pilotId)
  if (cancels.length === 0) engine.toldCancels.delete(pilotId)
  else engine.toldCancels.set(pilotId, new Set(cancels.map((c) => c.jobId)))
  return cancels.filter((c) => !told?.has(c.jobId))
}

const resumeWaiting = async (engine: Engine, pilotId: number, claim: Claim, laneId: number) => {
  if (claim.cores === 0 || !engine.lanes.mayHaveWork(laneId)) return []
  const { tick } = engine.lanes
  const resumed = await store.claimResumes(engine.db, {
    laneId,
    limit: claim.cores,
    pilotId,
    epoch: claim.epoch,
    now: engine.clock(),
  })
  if (resumed.length < claim.cores) engine.lanes.claimed(laneId, { emptied: true, tick })
  return resumed
}

/** Class by class, until the room is used or the lanes are known to be empty (a lane that was rung meanwhile is asked again, at most a few times). */
const claimNew = async (
  engine: Engine,
  pilot: ClaimingPilot,
  claim: Claim,
  cores: number,
): Promise<store.ClaimedRow[]> => {
  const got: store.ClaimedRow[] = []
  let room = { cores, memoryMb: claim.memoryMb ?? null, gpus: claim.gpus ?? 0, jobs: claim.jobs }
  for (let n = 0; n < 20; n++) {
    const plan = planClaim(engine.lanes.ofQueue(pilot.queueId), room)
    if (!plan) break
    const { tick } = engine.lanes
    const { picked, known, living, rows } = await store.claimReady(engine.db, {
      plan: plan.lanes,
      limit: plan.limit,
      from: claimable,
      pilotId: pilot.id,
      epoch: claim.epoch,
      claimSeq: claim.claimSeq,
      part: got.length,
      now: engine.clock(),
    })
    if (!living) {
      await hearClaimant(engine, pilot.id, claim.epoch)
      continue
    }
    // This claim was answered before: nothing was learnt about its lanes, and the caller gives that answer again.
    if (known) return store.claimedBefore(engine.db, pilot.id, claim.epoch, claim.claimSeq)
    await noteClaimed(engine, plan, rows, picked < plan.limit, tick)
    if (picked > rows.length)
      await store.dropUnclaimable(
        engine.db,
        plan.lanes.map((l) => l.laneId),
        claimable,
        5000,
      )
    for (const row of rows) row.memoryMb = plan.memoryMb
    got.push(...rows)
    room = {
      cores: room.cores - rows.length * plan.cores,
      memoryMb: room.memoryMb === null ? null : room.memoryMb - rows.length * plan.memoryMb,
      gpus: room.gpus - rows.length * plan.gpus,
      jobs: room.jobs - rows.length,
    }
  }
  return got
}

/** What the claim learnt about its lanes: one that picked fewer rows than it might have walked all of them to their end. (Picked rows of cancelled jobs were dropped.) */
const noteClaimed = async (
  engine: Engine,
  plan: ClaimPlan,
  rows: store.ClaimedRow[],
  emptied: boolean,
  tick: number,
) => {
  const facts = await engine.tasks.get(new Set(rows.map((r) => r.taskId)))
  const highest = new Map<number, number>()
  for (const row of rows) {
    const { laneId, priority } = facts.get(row.taskId)!
    highest.set(laneId, Math.max(highest.get(laneId) ?? 0, (8000 - priority) * 2 ** 40 + row.jobId))
  }
  for (const { laneId } of plan.lanes) engine.lanes.claimed(laneId, { highestRank: highest.get(laneId), emptied, tick })
}

const replyOf = async (
  engine: Engine,
  { queueId }: ClaimingPilot,
  claimSeq: number,
  rows: store.ClaimedRow[],
  resumed: { jobId: number; attempt: number }[],
  cancel: { jobId: number; attempt: number }[],
): Promise<ClaimReply> => {
  const facts = await engine.tasks.get(new Set(rows.map((r) => r.taskId)))
  const checkpoints = await checkpointsFor(engine, rows)
  const named = ({ jobId, attempt }: { jobId: number; attempt: number }) => ({ jobId: showId('j', jobId), attempt })
  return {
    claimSeq,
    jobs: rows.map((row) => {
      const task = facts.get(row.taskId)!
      const token = jobToken(engine, {
        jobId: row.jobId,
        attempt: row.attempt,
        taskId: task.id,
        workflowId: task.workflowId,
        personId: task.ownerId,
        experimentId: task.experimentId,
      })
      const checkpoint = checkpoints.get(row.jobId)
      return {
        jobId: showId('j', row.jobId),
        taskId: showId('t', row.taskId),
        index: row.index,
        attempt: row.attempt,
        args: sentValue(row.args, row.blob, row.bytes)!,
        ...(asksForMore(row, task) ? { memoryMb: row.memoryMb } : {}),
        ...(checkpoint === undefined ? {} : { checkpoint }),
        token,
      }
    }),
    resumed: resumed.map(named),
    tasks: await claimedTasks(engine, [...facts.values()], queueId),
    cancel: cancel.map(named),
  }
}

/** Since an earlier attempt had too little. */
const asksForMore = ({ memoryMb }: store.ClaimedRow, task: TaskFacts): boolean =>
  memoryMb !== undefined && memoryMb > (task.memoryMb ?? 0)

/** What earlier attempts have kept; asked for only when there were any. */
const checkpointsFor = async (engine: Engine, rows: store.ClaimedRow[]): Promise<Map<number, string>> => {
  const again = rows.filter((row) => row.attempt > 1).map((row) => row.jobId)
  const kept = again.length > 0 ? await checkpointsOf(engine.db, again) : []
  return new Map(kept.map(({ jobId, blob }) => [jobId, blob]))
}

/** Secrets are opened for those tasks alone that name some. */
const claimedTasks = async (engine: Engine, tasks: TaskFacts[], queueId: number): Promise<ClaimedTask[]> => {
  const ofQueue = engine.lanes.environmentOf(queueId)
  const claimed = tasks.map((task) => claimedTask(task, ofQueue))
  for (const [i, task] of tasks.entries())
    if (task.secrets !== null) claimed[i]!.secrets = await givenSecrets(engine, task)
  return claimed
}

const claimedTask = (task: TaskFacts, ofQueue: Environment | undefined): ClaimedTask => {
  const payload: Payload = JSON.parse(task.payload)
  const environment = environmentIn(payload, ofQueue)
  return {
    taskId: showId('t', task.id),
    name: task.name,
    ownerId: showId('u', task.ownerId),
    workflowId: showId('w', task.workflowId),
    payload,
    common: sentValue(task.common, task.commonBlob, task.commonBytes),
    cores: task.cores,
    memoryMb: task.memoryMb,
    gpus: task.gpus,
    wallSeconds: task.wallSeconds,
    ...(environment ? { environment } : {}),
    ...(task.trace === null ? {} : { trace: task.trace }),
  }
}
