import type { PilotState } from '../domain/queue/states.ts'
import { type Db, sql } from './db.ts'

export type PilotRow = {
  id: number
  queueId: number
  name: string
  epoch: number
  slots: number
  memoryMb: number | null
  state: PilotState
  leaseUntil: Date
  host: string
  seenAt: Date
  startedAt: Date
}

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
    now: Date
    leaseUntil: Date
  },
) =>
  db.row<{ id: number; epoch: number; from: PilotState | null }>(sql`
    with old as (select id, state from pilot where queue_id = ${p.queueId} and name = ${p.name}),
    p as (
      insert into pilot (queue_id, name, host, version, slots, memory_mb, epoch, state, started_at, seen_at, lease_until)
      values (${p.queueId}, ${p.name}, ${p.host}, ${p.version}, ${p.slots}, ${p.memoryMb}, 1, 'online', ${p.now}, ${p.now}, ${p.leaseUntil})
      on conflict (queue_id, name) do update set
        host = excluded.host, version = excluded.version, slots = excluded.slots, memory_mb = excluded.memory_mb, epoch = pilot.epoch + 1,
        state = 'online', started_at = excluded.started_at, seen_at = excluded.seen_at, lease_until = excluded.lease_until
      returning id, epoch),
    h as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${p.now}, 'pilot', p.id, 0, (select state from old), 'online', 'heard' from p)
    select id, epoch, (select state from old) as "from" from p`)

export const pilotById = (db: Db, id: number) =>
  db.row<PilotRow>(sql`
    select id, queue_id as "queueId", name, epoch, slots, memory_mb as "memoryMb", state, lease_until as "leaseUntil", host, seen_at as "seenAt", started_at as "startedAt"
    from pilot where id = ${id}`)

/** Renews the lease of the living epoch. 0: a newer start is known. */
export const renewLease = (db: Db, p: { id: number; epoch: number; now: Date; leaseUntil: Date }) =>
  db.row<{ was: PilotState }>(sql`
    with old as materialized (select id, state from pilot where id = ${p.id} and epoch = ${p.epoch} for no key update),
    u as (update pilot set seen_at = ${p.now}, lease_until = ${p.leaseUntil}, state = 'online' where id = any(array(select id from old))),
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

/** Pilots whose lease has run out, each locked by the agent that looks at it. */
export const lockSilentPilots = (db: Db, now: Date, limit: number) =>
  db.rows<{ id: number; name: string; state: PilotState; seenAt: Date; epoch: number }>(sql`
    select id, name, state, seen_at as "seenAt", epoch from pilot
    where state in ('online', 'suspect') and lease_until < ${now} order by id limit ${limit} for no key update skip locked`)

/** Time in which nobody could be heard does not count against a lease. */
export const extendLeases = (db: Db, until: Date) =>
  db.run(sql`update pilot set lease_until = ${until} where state in ('online', 'suspect') and lease_until < ${until}`)

export const deferSilent = (db: Db, id: number, until: Date) =>
  db.run(sql`update pilot set lease_until = ${until} where id = ${id}`)

export type HeldRow = {
  jobId: number
  attempt: number
  epoch: number
  sentAt: Date
  startedAt: Date | null
  cancelAsked: boolean
  lostAfterSeconds: number | null
}

export const heldBy = (db: Db, pilotId: number) =>
  db.rows<HeldRow>(sql`
    select h.job_id as "jobId", h.attempt, h.epoch, h.sent_at as "sentAt", h.started_at as "startedAt", j.cancel_asked as "cancelAsked",
           t.lost_after_seconds as "lostAfterSeconds"
    from held h cross join lateral (select task_id, cancel_asked from job where id = h.job_id) j
    cross join lateral (select lost_after_seconds from task where id = j.task_id) t
    where h.pilot_id = ${pilotId} order by h.job_id`)

export const heldOf = (db: Db, jobIds: number[]) =>
  db.rows<{ jobId: number; pilotId: number; epoch: number; attempt: number; sentAt: Date; startedAt: Date | null }>(sql`
    select job_id as "jobId", pilot_id as "pilotId", epoch, attempt, sent_at as "sentAt", started_at as "startedAt"
    from held where job_id = any(${jobIds}::bigint[]) and member = 0`)

export const cancelsFor = (db: Db, pilotId: number, epoch: number) =>
  db.rows<{ jobId: number; attempt: number }>(sql`
    select h.job_id as "jobId", h.attempt from held h cross join lateral (select cancel_asked from job where id = h.job_id) j
    where h.pilot_id = ${pilotId} and h.epoch = ${epoch} and j.cancel_asked order by h.job_id`)

export const dropHeld = (db: Db, jobIds: number[]) =>
  db.run(sql`delete from held where job_id = any(${jobIds}::bigint[])`)

export const setStarted = (db: Db, rows: { jobId: number; startedAt: Date }[]) =>
  db.run(sql`
    update held h set started_at = u.at
    from unnest(${rows.map((r) => r.jobId)}::bigint[], ${rows.map((r) => r.startedAt)}::timestamptz[]) u(id, at)
    where h.job_id = u.id and h.member = 0 and h.started_at is null`)
