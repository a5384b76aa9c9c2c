import { type Db, sql } from './db.ts'

export const unfinishedParents = (db: Db, jobId: number, limit: number) =>
  db.rows<{ id: number; state: string; noun: 'j' | 't' }>(sql`
    (select p.id, p.state, 'j' as noun from edge e join job p on p.id = e.parent_id where e.child_id = ${jobId} and not p.released limit ${limit})
    union all
    (select t.id, t.state, 't' from job j join task_edge e on e.child_id = j.task_id join task t on t.id = e.parent_id
     where j.id = ${jobId} and not e.released limit ${limit})`)

/** The queues that may take a lane's jobs; how many wait before a rank is looked at up to 1,000. */
export const queuesOfLane = (db: Db, laneId: number, jobId: number) =>
  db.rows<{
    name: string
    state: string
    pilots: number
    slots: number
    largestSlots: number
    gpus: number
    largestGpus: number
    largestMemoryMb: number | null
    running: number
    waitingBefore: number
  }>(sql`
    select q.name, q.state, p.pilots, p.slots, p.largest as "largestSlots", p.gpus, p.largest_gpus as "largestGpus", p.largest_memory as "largestMemoryMb",
      (select count(*)::int from held h join pilot x on x.id = h.pilot_id where x.queue_id = q.id) as running,
      (select count(*)::int from (select from ready r where r.lane_id = l.id and r.job_id < ${jobId} limit 1000) b) as "waitingBefore"
    from lane l join queue q on q.id = any(l.queue_ids)
    cross join lateral (
      select count(*)::int as pilots, coalesce(sum(slots), 0)::int as slots, coalesce(max(slots), 0)::int as largest,
             coalesce(sum(gpus), 0)::int as gpus, coalesce(max(gpus), 0)::int as largest_gpus,
             case when bool_and(memory_mb is not null) then max(memory_mb) end as largest_memory
      from pilot where queue_id = q.id and state = 'online') p
    where l.id = ${laneId}`)

/** The job whose result this one took. */
export const reusedFrom = async (db: Db, jobId: number): Promise<string | undefined> =>
  (
    await db.row<{ why: string }>(
      sql`select why from history where noun = 'job' and id = ${jobId} and trigger = 'reused' limit 1`,
    )
  )?.why

/** The job of a task that says most about it: one that failed, else one that waits, else any. */
export const tellingJob = async (db: Db, taskId: number): Promise<number | undefined> =>
  (
    await db.row<{ id: number }>(sql`
      select id from (select id, state from job where task_id = ${taskId} order by index limit 5000) j
      order by array_position(array['failed', 'activated', 'pending', 'awaiting', 'holding', 'sent', 'starting', 'running', 'cancelled', 'finished'], state), id limit 1`)
  )?.id

export const tellingTask = async (db: Db, workflowId: number): Promise<number | undefined> =>
  (
    await db.row<{ id: number }>(sql`
      select id from (select id, state from task where workflow_id = ${workflowId} order by id desc limit 1000) t
      order by array_position(array['failed', 'finished', 'exhausted', 'broken', 'ready', 'pending', 'running', 'aborted', 'done'], state), id limit 1`)
  )?.id
