import type { JobState } from '../domain/job/states.ts'
import type { WorkflowState } from '../domain/workflow/states.ts'
import { type Db, sql } from './db.ts'

export type WorkflowRow = {
  id: number
  experimentId: number
  ownerId: number
  teamId: number
  kind: 'function' | 'job' | 'session' | 'tasks'
  state: WorkflowState
  closed: boolean
  driverEpoch: number
  /** A person holds it. */
  held: boolean
}

/** The program that a workflow belongs to, and which of the program's workflows it is. */
export type RunRow = { id: string; key: string; program: string; code: string | null; arguments: string | null }

/** No row comes back when the run has a workflow of this key already. */
export const insertWorkflow = (
  db: Db,
  w: {
    experimentId: number
    ownerId: number
    teamId: number
    name: string
    kind: string
    labels: object
    driverEpoch: number
    run: RunRow | null
    /** JSON text. */
    environment: string | null
    now: Date
  },
) =>
  db.row<{ id: number }>(sql`
    with w as (
      insert into workflow (experiment_id, owner_id, team_id, name, kind, state, driver_epoch, driver_seen_at, created_at, labels, run, run_key, program, code, arguments, environment)
      values (${w.experimentId}, ${w.ownerId}, ${w.teamId}, ${w.name}, ${w.kind}, 'running', ${w.driverEpoch},
              case when ${w.driverEpoch}::int > 0 then ${w.now}::timestamptz end, ${w.now}, ${JSON.stringify(w.labels)},
              ${w.run?.id ?? null}, ${w.run?.key ?? null}, ${w.run?.program ?? null}, ${w.run?.code ?? null}, ${w.run?.arguments ?? null},
              ${w.environment})
      on conflict (run, owner_id, run_key) where run is not null do nothing
      returning id),
    c as (insert into workflow_count (workflow_id) select id from w),
    l as (
      insert into label (experiment_id, noun, name, value, id)
      select ${w.experimentId}, 'workflow', e.key, e.value, w.id from w cross join jsonb_each_text(${JSON.stringify(w.labels)}::jsonb) e),
    h as (
      insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
      select ${w.now}, 'workflow', id, id, 'registered', 'running', 'started' from w)
    select id from w`)

export type WorkflowOwner = {
  workflowId: number
  experimentId: number
  ownerId: number
  teamId: number
  kind: WorkflowRow['kind']
  /** JSON text. */
  environment: string | null
}

export const workflowOwner = (db: Db, id: number) =>
  db.row<WorkflowOwner>(sql`
    select id as "workflowId", experiment_id as "experimentId", owner_id as "ownerId", team_id as "teamId", kind, environment from workflow where id = ${id}`)

export const workflowById = (db: Db, id: number) =>
  db.row<WorkflowRow>(sql`
    select id, experiment_id as "experimentId", owner_id as "ownerId", team_id as "teamId", kind, state, closed, driver_epoch as "driverEpoch", held
    from workflow where id = ${id}`)

export const lockWorkflow = (db: Db, id: number) =>
  db.row<WorkflowRow>(sql`
    select id, experiment_id as "experimentId", owner_id as "ownerId", team_id as "teamId", kind, state, closed, driver_epoch as "driverEpoch", held
    from workflow where id = ${id} for no key update`)

export type RunWorkflowRow = WorkflowRow & {
  /** The driver after which it was retried last. */
  retriedAfter: number | null
  code: string | null
  arguments: string | null
  value: string | null
  valueBlob: string | null
  valueBytes: number | null
}

export const lockWorkflowOfRun = (db: Db, ownerId: number, run: string, key: string) =>
  db.row<RunWorkflowRow>(sql`
    select id, experiment_id as "experimentId", owner_id as "ownerId", team_id as "teamId", kind, state, closed, driver_epoch as "driverEpoch", held,
           code, arguments, value, value_blob as "valueBlob", value_bytes as "valueBytes", retried_after as "retriedAfter"
    from workflow where run = ${run}::uuid and owner_id = ${ownerId} and run_key = ${key} for no key update`)

/** A further driver: the one before is refused from here on. */
export const replaceDriver = (db: Db, d: { id: number; code: string | null; now: Date }) =>
  db.row<{ driverEpoch: number }>(sql`
    update workflow set driver_epoch = driver_epoch + 1, driver_seen_at = ${d.now}, code = coalesce(${d.code}, code) where id = ${d.id}
    returning driver_epoch as "driverEpoch"`)

/** Compare-and-set of the state, with its line of history. 0 when it was no longer in `from`. */
export const moveWorkflow = (
  db: Db,
  m: {
    id: number
    from: WorkflowState
    to: WorkflowState
    trigger: string
    why: string | null
    ended: boolean
    now: Date
  },
) =>
  db.run(sql`
    with u as (
      update workflow set state = ${m.to}, why = ${m.why}, held = held and not ${m.ended}::bool, ended_at = case when ${m.ended}::bool then ${m.now}::timestamptz end
      where id = ${m.id} and state = ${m.from} returning id)
    insert into history (at, noun, id, workflow_id, from_state, to_state, trigger, why)
    select ${m.now}, 'workflow', id, id, ${m.from}, ${m.to}, ${m.trigger}, ${m.why} from u`)

export const setWorkflowResult = (
  db: Db,
  r: { id: number; value: string | null; blob: string | null; bytes: number | null; error: string | null },
) =>
  db.run(
    sql`update workflow set value = ${r.value}, value_blob = ${r.blob}, value_bytes = ${r.bytes}, error = ${r.error} where id = ${r.id}`,
  )

/** The job that is the function of a workflow of kind `job`: the only one of its first task. */
export const jobOfFunction = (db: Db, workflowId: number) =>
  db.row<{
    taskId: number
    jobId: number
    state: JobState
    value: string | null
    blob: string | null
    bytes: number | null
    error: string | null
  }>(sql`
    select j.task_id as "taskId", j.id as "jobId", j.state, r.value, r.value_blob as blob, r.value_bytes as bytes, r.error
    from job j left join result r on r.job_id = j.id
    where j.task_id = (select min(id) from task where workflow_id = ${workflowId}) and j.index = 0`)

export const closeWorkflow = (db: Db, id: number) => db.run(sql`update workflow set closed = true where id = ${id}`)

export const holdWorkflow = (db: Db, id: number, held: boolean) =>
  db.run(sql`update workflow set held = ${held} where id = ${id}`)

export const seeDriver = (db: Db, id: number, now: Date) =>
  db.run(sql`update workflow set driver_seen_at = ${now} where id = ${id}`)

/** Adds the folded changes of one batch: tasks that came and ended, and jobs by state. */
export const addWorkflowCounts = (
  db: Db,
  changes: { workflowId: number; total: number; ended: number; failed: number }[],
) =>
  db.run(sql`
    update workflow_count c set tasks_total = c.tasks_total + u.total, tasks_ended = c.tasks_ended + u.ended, tasks_failed = c.tasks_failed + u.failed
    from unnest(${changes.map((c) => c.workflowId)}::bigint[], ${changes.map((c) => c.total)}::int[],
                ${changes.map((c) => c.ended)}::int[], ${changes.map((c) => c.failed)}::int[]) u(id, total, ended, failed)
    where c.workflow_id = u.id`)

export type LeftOfWorkflow = {
  tasksLeft: number
  tasksTotal: number
  tasksFailed: number
  finishedJobs: number
  closed: boolean
  kind: string
  state: WorkflowState
}

/** A task that was just submitted is not in the counters yet, so when these say that none is left the tasks themselves are asked. */
export const leftOfWorkflow = (db: Db, id: number) =>
  db.row<LeftOfWorkflow>(sql`
    select case when c.tasks_total > c.tasks_ended then c.tasks_total - c.tasks_ended
                else (select count(*)::int from (select from task t where t.workflow_id = w.id and t.ended_at is null limit 1) x) end as "tasksLeft", c.tasks_total as "tasksTotal", c.tasks_failed as "tasksFailed",
           c.finished as "finishedJobs", w.closed, w.kind, w.state
    from workflow w join workflow_count c on c.workflow_id = w.id where w.id = ${id}`)

export const workflowStates = (db: Db, ids: number[]) =>
  db.rows<{ id: number; state: WorkflowState; held: boolean }>(
    sql`select id, state, held from workflow where id = any(${ids}::bigint[])`,
  )
