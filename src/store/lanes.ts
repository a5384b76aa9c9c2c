import { type Db, sql } from './db.ts'

export type LaneRow = {
  id: number
  purpose: 'work' | 'driver' | 'resume'
  queueIds: number[]
  shareId: number
  cores: number
  memoryMb: number
  gpus: number
  pilotId: number
}

export const allLanes = (db: Db) =>
  db.rows<LaneRow>(sql`
    select l.id, l.purpose, l.queue_ids as "queueIds", l.share_id as "shareId", c.cores, c.memory_mb as "memoryMb", c.gpus,
           l.pilot_id as "pilotId"
    from lane l join class c on c.id = l.class_id`)

/** The lane of that kind, made when there is none. */
export const ensureLane = async (db: Db, l: Omit<LaneRow, 'id'>): Promise<LaneRow> => {
  await db.run(
    sql`insert into class (cores, memory_mb, gpus) values (${l.cores}, ${l.memoryMb}, ${l.gpus}) on conflict do nothing`,
  )
  await db.run(sql`
    insert into lane (purpose, queue_ids, share_id, class_id, pilot_id)
    select ${l.purpose}, ${l.queueIds}::int[], ${l.shareId}, c.id, ${l.pilotId} from class c
    where c.cores = ${l.cores} and c.memory_mb = ${l.memoryMb} and c.gpus = ${l.gpus}
    on conflict do nothing`)
  const row = await db.row<{ id: number }>(sql`
    select l.id from lane l join class c on c.id = l.class_id
    where l.purpose = ${l.purpose} and l.queue_ids = ${l.queueIds}::int[] and l.share_id = ${l.shareId} and l.pilot_id = ${l.pilotId}
      and c.cores = ${l.cores} and c.memory_mb = ${l.memoryMb} and c.gpus = ${l.gpus}`)
  return { id: row!.id, ...l }
}

/** Which of these lanes have anything to claim: one index probe each. */
export const lanesWithWork = (db: Db, laneIds: number[]) =>
  db.rows<{ id: number }>(sql`
    select l.id from unnest(${laneIds}::int[]) l(id)
    where exists (select from ready r where r.lane_id = l.id)`)

/** `environment`: JSON text. */
export type QueueRow = {
  id: number
  name: string
  site: string
  state: string
  environment: string | null
  lostAfterSeconds: number | null
}

export const allQueues = (db: Db) =>
  db.rows<QueueRow>(sql`
    select q.id, q.name, s.name as site, q.state, q.environment, q.lost_after_seconds as "lostAfterSeconds"
    from queue q join site s on s.id = q.site_id order by q.id`)
