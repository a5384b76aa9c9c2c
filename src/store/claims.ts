import type { JobState } from '../domain/job/states.ts'
import { type Db, sql } from './db.ts'

export type LanePlan = { laneId: number; low: number; n: number }

export type ClaimedRow = {
  jobId: number
  taskId: number
  index: number
  attempt: number
  args: string | null
  blob: string | null
  bytes: number | null
  /** Of its lane, MB; left out: what its task asks for. */
  memoryMb?: number
}

/**
 * Takes ready rows of the planned lanes by skip locked, then their jobs by id by skip locked; what it could not lock stays. Rows whose job may no longer be
 * claimed (cancelled meanwhile) are dropped here, so that nobody else need delete from `ready`. Every table is reached by key. A claim that
 * was answered before gets nothing here (`part` > 0: a further statement of the same claim), nor does one of a pilot that started anew or is gone (`living` is false); its lock
 * excludes whoever ends what the pilot holds. `(… in (select …)) is true` is looked up in a hash; without `is true` it would become a join by nested loops. (The figures: bench/, and docs/decisions/0003-claim.md.)
 */
export const claimReady = async (
  db: Db,
  c: {
    plan: LanePlan[]
    limit: number
    from: JobState[]
    pilotId: number
    epoch: number
    claimSeq: number
    part: number
    now: Date
  },
): Promise<{ picked: number; known: boolean; living: boolean; rows: ClaimedRow[] }> => {
  const rows = await db.rows<ClaimedRow & { picked: number; known: boolean }>(sql`
    with k as materialized (
      select ${c.part}::int = 0 and exists (
        select from held where pilot_id = ${c.pilotId} and epoch = ${c.epoch} and claim_seq = ${c.claimSeq}::bigint) as known
      from pilot where id = ${c.pilotId} and epoch = ${c.epoch} and state <> 'gone' for key share),
    pick as materialized (
      select r.* from k, unnest(${c.plan.map((p) => p.laneId)}::int[], ${c.plan.map((p) => p.low)}::bigint[], ${c.plan.map((p) => p.n)}::int[]) p(lane_id, low, n)
      cross join lateral (
        select ctid as tid, lane_id, rank, job_id from ready r where r.lane_id = p.lane_id and r.rank > p.low order by r.rank limit p.n for update skip locked) r
      where not k.known
      limit ${c.limit}),
    locked as materialized (
      select id, task_id, index, state, attempt from job where id = any(array(select job_id from pick)) order by id for no key update skip locked),
    gone as (delete from ready where ctid = any(array(
      select tid from pick where (job_id in (select id from locked)) is true))),
    ok as materialized (select id, task_id from locked where state = any(${c.from}::text[])),
    u as (
      update job set state = 'sent', attempt = attempt + 1, held_by = null where id = any(array(select id from ok))
      returning id, task_id, workflow_id, index, attempt),
    hd as (
      insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at)
      select id, ${c.pilotId}, ${c.epoch}, attempt, ${c.claimSeq}::bigint, ${c.now} from u),
    d as (
      insert into task_delta (task_id, activated, sent) select task_id, -count(*), count(*) from u group by task_id),
    hi as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${c.now}, 'job', id, workflow_id, 'activated', 'sent', 'claimed' from u)
    select n.picked, k.known, x.* from k cross join (select count(*)::int as picked from pick) n
    left join (
      select u.id as "jobId", u.task_id as "taskId", u.index, u.attempt, s.args, s.args_blob as blob, s.args_bytes as bytes
      from u cross join lateral (select args, args_blob, args_bytes from spec where job_id = u.id) s) x on true
    order by x."jobId"`)
  return {
    picked: rows[0]?.picked ?? 0,
    known: rows[0]?.known ?? false,
    living: rows.length > 0,
    rows: rows.filter((row) => row.jobId !== null),
  }
}

/**
 * Drops ready rows whose job may no longer be claimed, many at once: after a large task was cancelled a claim for one slot would drop one of them at a time. The
 * job is locked as well, so that a retry that makes it claimable again either waits or is seen.
 */
export const dropUnclaimable = (db: Db, laneIds: number[], from: JobState[], limit: number) =>
  db.run(sql`
    with pick as materialized (
      select r.* from unnest(${laneIds}::int[]) l(id)
      cross join lateral (select ctid as tid, job_id from ready r where r.lane_id = l.id order by r.rank limit ${limit} for update skip locked) r),
    locked as materialized (
      select id, state from job where id = any(array(select job_id from pick)) order by id for no key update skip locked)
    delete from ready where ctid = any(array(
      select tid from pick where (job_id in (select id from locked where not state = any(${from}::text[]))) is true))`)

/** What this claim got when it was first asked: the answer to a repeated one. */
export const claimedBefore = (db: Db, pilotId: number, epoch: number, claimSeq: number) =>
  db.rows<ClaimedRow>(sql`
    select h.job_id as "jobId", j.task_id as "taskId", j.index, h.attempt, s.args, s.args_blob as blob, s.args_bytes as bytes, c.memory_mb as "memoryMb"
    from held h join job j on j.id = h.job_id join spec s on s.job_id = h.job_id join lane l on l.id = j.lane_id join class c on c.id = l.class_id
    where h.pilot_id = ${pilotId} and h.epoch = ${epoch} and h.claim_seq = ${claimSeq} and j.state in ('sent', 'starting', 'running')
    order by h.job_id`)

/**
 * Gives awaiting jobs their slot back: from the pilot's resume lane to `running`, the attempt unchanged. A claim of an earlier start of the pilot that is still open takes nothing: the rows are the new one's.
 */
export const claimResumes = (db: Db, c: { laneId: number; limit: number; pilotId: number; epoch: number; now: Date }) =>
  db.rows<{ jobId: number; attempt: number }>(sql`
    with pick as materialized (
      select ctid as tid, job_id from ready
      where lane_id = ${c.laneId} and (select epoch from pilot where id = ${c.pilotId}) = ${c.epoch} order by rank limit ${c.limit} for update skip locked),
    locked as materialized (
      select id, task_id, state, attempt from job where id = any(array(select job_id from pick)) order by id for no key update skip locked),
    gone as (delete from ready where ctid = any(array(select tid from pick where (job_id in (select id from locked)) is true))),
    u as (
      update job set state = 'running', held_by = null
      where id = any(array(
        select l.id from locked l cross join lateral (select pilot_id, epoch, attempt from held where job_id = l.id and member = 0 offset 0) h
        where l.state = 'activated' and h.pilot_id = ${c.pilotId} and h.epoch = ${c.epoch} and h.attempt = l.attempt))
      returning id, task_id, attempt),
    d as (insert into task_delta (task_id, activated, running) select task_id, -count(*), count(*) from u group by task_id),
    hi as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${c.now}, 'job', u.id, t.workflow_id, 'activated', 'running', 'resumed' from u cross join lateral (select workflow_id from task where id = u.task_id) t)
    select id as "jobId", attempt from u order by id`)
