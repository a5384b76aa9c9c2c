import { type Db, sql } from './db.ts'

/** What begins so lies between these two, as bytes are compared. */
export type Between = { from: string; to: string }

export type HitRow = { id: number; name: string; owner: string | null; state: string | null }

const idsOf = async (rows: Promise<{ id: number }[]>): Promise<number[]> => (await rows).map((row) => row.id)

export const workflowIdsNamed = (db: Db, experimentId: number, { from, to }: Between, limit: number) =>
  idsOf(
    db.rows(sql`
      select id from workflow
      where experiment_id = ${experimentId} and lower(name) collate "C" >= ${from} and lower(name) collate "C" < ${to}
      order by lower(name) collate "C", id desc limit ${limit}`),
  )

export const taskIdsNamed = (db: Db, experimentId: number, { from, to }: Between, limit: number) =>
  idsOf(
    db.rows(sql`
      select id from task
      where experiment_id = ${experimentId} and lower(name) collate "C" >= ${from} and lower(name) collate "C" < ${to}
      order by lower(name) collate "C", id desc limit ${limit}`),
  )

export type Labelled = { id: number; name: string; value: string }

export const labelledSo = (
  db: Db,
  f: { experimentId: number; noun: 'workflow' | 'task'; name: string; value: Between; limit: number },
) =>
  db.rows<Labelled>(sql`
    select id, name, value from label
    where experiment_id = ${f.experimentId} and noun = ${f.noun} and name = ${f.name} and value >= ${f.value.from} and value < ${f.value.to}
    order by value desc, id desc limit ${f.limit}`)

/** By the value alone: the names of labels are gone through, one probe each, two hundred of them. */
export const labelledWith = (
  db: Db,
  f: { experimentId: number; noun: 'workflow' | 'task'; value: Between; limit: number },
) =>
  db.rows<Labelled>(sql`
    with recursive names as (
      (select name from label where experiment_id = ${f.experimentId} and noun = ${f.noun} order by name limit 1)
      union all
      select (select name from label where experiment_id = ${f.experimentId} and noun = ${f.noun} and name > n.name order by name limit 1)
      from names n where n.name is not null)
    select l.id, l.name, l.value from (select name from names where name is not null limit 200) n
    cross join lateral (
      select id, name, value from label
      where experiment_id = ${f.experimentId} and noun = ${f.noun} and name = n.name and value >= ${f.value.from} and value < ${f.value.to}
      order by value desc, id desc limit ${f.limit}) l
    limit ${f.limit}`)

export const workflowHits = (db: Db, experimentId: number, ids: number[]) =>
  db.rows<HitRow>(sql`
    select w.id, w.name, p.name as owner, w.state from workflow w join person p on p.id = w.owner_id
    where w.id = any(${ids}::bigint[]) and w.experiment_id = ${experimentId}`)

export const taskHits = (db: Db, experimentId: number, ids: number[]) =>
  db.rows<HitRow>(sql`
    select t.id, t.name, p.name as owner, t.state from task t join person p on p.id = t.owner_id
    where t.id = any(${ids}::bigint[]) and t.experiment_id = ${experimentId}`)

export const jobHit = (db: Db, experimentId: number, id: number) =>
  db.rows<HitRow>(sql`
    select j.id, t.name, p.name as owner, j.state from job j join task t on t.id = j.task_id join person p on p.id = t.owner_id
    where j.id = ${id} and t.experiment_id = ${experimentId}`)

export const queueHits = (db: Db, text: string, limit: number) =>
  db.rows<HitRow>(sql`
    select id, name, null as owner, state from queue where strpos(lower(name), ${text}::text) > 0 order by name limit ${limit}`)

/** `id`: the one that is meant, when there is one. */
export const pilotHits = (db: Db, text: string, id: number | null, limit: number) =>
  db.rows<HitRow>(sql`
    select id, name, null as owner, state from pilot
    where (${id}::int is null and (strpos(lower(name), ${text}::text) > 0 or strpos(lower(host), ${text}::text) > 0)) or id = ${id}::int
    order by id desc limit ${limit}`)

export const userHits = (db: Db, experimentId: number, text: string, limit: number) =>
  db.rows<HitRow>(sql`
    select id, name, null as owner, null as state from person
    where experiment_id = ${experimentId} and strpos(lower(name), ${text}::text) > 0 order by name limit ${limit}`)

export const troubleHit = (db: Db, experimentId: number, id: number) =>
  db.rows<HitRow>(sql`
    select id, text as name, null as owner, null as state from trouble where id = ${id} and experiment_id = ${experimentId}`)

/**
 * Those that were met last come first, out of the `newest` kinds: what texts hold is found by reading them. The order names the experiment, and a range does not fix it,
 * so that no plan goes through the kinds of all others by their ids: a small one beside a large one took 150 ms so.
 */
export const troubleHits = (db: Db, f: { experimentId: number; text: string; newest: number; limit: number }) =>
  db.rows<HitRow>(sql`
    select id, text as name, null as owner, null as state
    from (select id, text, last_at from trouble where experiment_id between ${f.experimentId} and ${f.experimentId} order by experiment_id desc, id desc limit ${f.newest}) t
    where strpos(lower(text), ${f.text}::text) > 0 order by last_at desc, id desc limit ${f.limit}`)
