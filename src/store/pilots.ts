import type { PilotState } from '../domain/queue/states.ts'
import { type Db, sql } from './db.ts'

export type PilotRow = {
  id: number
  queueId: number
  epoch: number
  state: PilotState
  leaseUntil: Date
  host: string
  seenAt: Date
  start: number | null
}

/**
 * The lock of a pilot comes before those of its jobs, and excludes its claims: whoever ends what it holds knows that no more comes. The pilot of that name.
 */
export const lockPilotNamed = (db: Db, queueId: number, name: string) =>
  db.row<PilotRow>(sql`
    select id, queue_id as "queueId", epoch, state, lease_until as "leaseUntil", host, seen_at as "seenAt", start
    from pilot where queue_id = ${queueId} and name = ${name} for update`)

export const lockPilot = (db: Db, id: number) =>
  db.row<PilotRow>(sql`
    select id, queue_id as "queueId", epoch, state, lease_until as "leaseUntil", host, seen_at as "seenAt", start from pilot where id = ${id} for update`)

/** A start of the pilot: its epoch goes up by one. */
export const startPilot = (
  db: Db,
  p: {
    queueId: number
    name: string
    host: string
    version: string
    slots: number
    memoryMb: number | null
    gpus: number
    start: number | null
    serverId: string
    now: Date
    leaseUntil: Date
  },
) =>
  db.row<{ id: number; epoch: number; from: PilotState | null }>(sql`
    with old as (select id, state from pilot where queue_id = ${p.queueId} and name = ${p.name}),
    p as (
      insert into pilot (queue_id, name, host, version, slots, memory_mb, gpus, epoch, state, started_at, seen_at, silent_since, lease_until, server_id, start)
      values (${p.queueId}, ${p.name}, ${p.host}, ${p.version}, ${p.slots}, ${p.memoryMb}, ${p.gpus}, 1, 'online', ${p.now}, ${p.now}, ${p.now},
              ${p.leaseUntil}, ${p.serverId}, ${p.start})
      on conflict (queue_id, name) do update set
        host = excluded.host, version = excluded.version, slots = excluded.slots, memory_mb = excluded.memory_mb, gpus = excluded.gpus,
        epoch = pilot.epoch + 1, state = 'online', started_at = excluded.started_at, seen_at = excluded.seen_at, silent_since = excluded.silent_since,
        lease_until = excluded.lease_until, server_id = excluded.server_id, start = excluded.start
      returning id, epoch),
    h as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${p.now}, 'pilot', p.id, 0, (select state from old), 'online', 'heard' from p)
    select id, epoch, (select state from old) as "from" from p`)

export const pilotById = (db: Db, id: number) =>
  db.row<PilotRow>(sql`
    select id, queue_id as "queueId", epoch, state, lease_until as "leaseUntil", host, seen_at as "seenAt", start from pilot where id = ${id}`)

/**
 * The pilot was heard: renews the lease of the living epoch; undefined when that is another. What was heard is not unheard by a process whose clock
 * is behind.
 */
export const renewLease = (
  db: Db,
  p: { id: number; epoch: number; serverId: string; now: Date; leaseSeconds: number },
) =>
  db.row<{ was: PilotState }>(sql`
    with old as materialized (
      select id, state, greatest(silent_since, ${p.now}::timestamptz) as heard from pilot where id = ${p.id} and epoch = ${p.epoch} for no key update),
    u as (
      update pilot p set seen_at = ${p.now}, silent_since = o.heard, lease_until = o.heard + ${p.leaseSeconds}::float8 * interval '1 s', state = 'online',
                         server_id = ${p.serverId}
      from old o where p.id = o.id),
    h as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${p.now}, 'pilot', id, 0, state, 'online', 'heard' from old where state <> 'online')
    select state as was from old`)

export const movePilot = (
  db: Db,
  p: { id: number; from: PilotState; to: PilotState; trigger: string; why: string; now: Date },
) =>
  db.run(sql`
    with u as (update pilot set state = ${p.to} where id = ${p.id} and state = ${p.from} returning id)
    insert into history (at, noun, id, workflow_id, from_state, to_state, trigger, why)
    select ${p.now}, 'pilot', id, 0, ${p.from}, ${p.to}, ${p.trigger}, ${p.why} from u`)

/** The epoch ends with the pilot, so that a claim of it that is still under way finds nobody. */
export const endEpoch = (db: Db, id: number) => db.run(sql`update pilot set epoch = epoch + 1 where id = ${id}`)

export type SilentRow = {
  id: number
  state: PilotState
  seenAt: Date
  silentSince: Date
  lostAfterSeconds: number | null
  serverHeardUntil: Date | null
}

/** A pilot whose lease has run out, locked. */
export const lockSilentPilot = (db: Db, now: Date) =>
  db.row<SilentRow>(sql`
    select p.id, p.state, p.seen_at as "seenAt", p.silent_since as "silentSince", q.lost_after_seconds as "lostAfterSeconds",
           s.heard_until as "serverHeardUntil"
    from pilot p join queue q on q.id = p.queue_id left join server s on s.id = p.server_id
    where p.state <> 'gone' and p.lease_until <= ${now}
    order by p.id limit 1 for update of p skip locked`)

export const deferSilent = (db: Db, id: number, until: Date) =>
  db.run(sql`update pilot set lease_until = ${until} where id = ${id}`)

export type HeldRow = {
  jobId: number
  attempt: number
  epoch: number
  claimSeq: number
  sentAt: Date
  startedAt: Date | null
  cancelAsked: boolean
  lostAfterSeconds: number | null
}

export const heldBy = (db: Db, pilotId: number) =>
  db.rows<HeldRow>(sql`
    select h.job_id as "jobId", h.attempt, h.epoch, h.claim_seq as "claimSeq", h.sent_at as "sentAt", h.started_at as "startedAt", j.cancel_asked as "cancelAsked",
           t.lost_after_seconds as "lostAfterSeconds"
    from held h cross join lateral (select task_id, cancel_asked from job where id = h.job_id) j
    cross join lateral (select lost_after_seconds from task where id = j.task_id) t
    where h.pilot_id = ${pilotId} order by h.job_id`)

/** Who has a job. */
export type HoldRow = {
  jobId: number
  pilotId: number
  epoch: number
  attempt: number
  sentAt: Date
  startedAt: Date | null
}

export const heldOf = (db: Db, jobIds: number[]) =>
  db.rows<HoldRow>(sql`
    select job_id as "jobId", pilot_id as "pilotId", epoch, attempt, sent_at as "sentAt", started_at as "startedAt"
    from held where job_id = any(${jobIds}::bigint[]) and member = 0`)

/** Which of these jobs have attempts of this pilot that it has ended, or has left to a callback. */
export const jobsTriedBy = async (db: Db, pilotId: number, jobIds: number[]): Promise<Set<number>> => {
  if (jobIds.length === 0) return new Set()
  const rows = await db.rows<{ id: number }>(sql`
    select job_id as id from attempt where job_id = any(${jobIds}::bigint[]) and pilot_id = ${pilotId}
    union select job_id from deferred where job_id = any(${jobIds}::bigint[]) and pilot_id = ${pilotId}`)
  return new Set(rows.map((row) => row.id))
}

/** Whether pilots of the queue hold a job of the workflow. */
export const queueHoldsJobOf = async (db: Db, queueId: number, workflowId: number): Promise<boolean> =>
  (await db.row(sql`
    select from pilot p join held h on h.pilot_id = p.id cross join lateral (select task_id from job where id = h.job_id) j
    cross join lateral (select workflow_id from task where id = j.task_id) t
    where p.queue_id = ${queueId} and t.workflow_id = ${workflowId} limit 1`)) !== undefined

export const cancelsFor = (db: Db, pilotId: number, epoch: number) =>
  db.rows<{ jobId: number; attempt: number }>(sql`
    select job_id as "jobId", attempt from held where pilot_id = ${pilotId} and epoch = ${epoch} and cancel_asked order by job_id`)

/** Pilots that hold something they should end. */
export const pilotsToCancel = async (db: Db): Promise<number[]> =>
  (await db.rows<{ id: number }>(sql`select distinct pilot_id as id from held where cancel_asked`)).map((row) => row.id)

/**
 * Attempts that were given up as lost and that nobody has begun again: this pilot has them still, so they have not ended. Gives those that it had; locks held.
 */
export const takeBackLost = (
  db: Db,
  p: { pilotId: number; epoch: number; attempts: { jobId: number; attempt: number }[] },
) =>
  db.rows<{ jobId: number }>(sql`
    with a as (
      delete from attempt a using unnest(${p.attempts.map((a) => a.jobId)}::bigint[], ${p.attempts.map((a) => a.attempt)}::int[]) u(job_id, attempt)
      where a.job_id = u.job_id and a.attempt = u.attempt and a.ending = 'lost' and a.pilot_id = ${p.pilotId}
      returning a.job_id, a.attempt, a.sent_at, a.started_at, a.ended_at, a.cause, a.wall_seconds, a.cpu_seconds),
    v as (
      insert into usage_delta (at, task_id, pilot_id, ending, cause, attempts, wall_seconds, cpu_seconds)
      select a.ended_at, j.task_id, ${p.pilotId}, 'lost', a.cause, -count(*), -coalesce(sum(a.wall_seconds::float8), 0), -coalesce(sum(a.cpu_seconds::float8), 0)
      from a cross join lateral (select task_id from job where id = a.job_id offset 0) j group by a.ended_at, j.task_id, a.cause)
    insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at, started_at)
    select job_id, ${p.pilotId}, ${p.epoch}, attempt, 0, sent_at, started_at from a returning job_id as "jobId"`)

/** Memory of the largest pilot of these queues, MB; null when there is none, or one that does not say. */
export const largestMemory = async (db: Db, queueIds: number[]): Promise<number | null> =>
  (
    await db.row<{ memoryMb: number | null }>(sql`
      select case when bool_and(memory_mb is not null) then max(memory_mb) end as "memoryMb"
      from pilot where queue_id = any(${queueIds}::int[]) and state <> 'gone'`)
  )?.memoryMb ?? null

export const dropHeld = (db: Db, jobIds: number[]) =>
  db.run(sql`delete from held where job_id = any(${jobIds}::bigint[])`)

export const setStarted = (db: Db, rows: { jobId: number; startedAt: Date }[]) =>
  db.run(sql`
    with u as materialized (
      select h.tid, u.at from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.startedAt)}::timestamptz[]) u(id, at)
      cross join lateral (select ctid as tid, started_at from held where job_id = u.id and member = 0 offset 0) h
      where h.started_at is null)
    update held set started_at = u.at from u where ctid = u.tid`)
