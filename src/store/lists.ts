import { type Db, sql } from './db.ts'

/**
 * Pages of lists, newest first: which workflows and tasks are on them. What stands in their lines is read by these ids (`views.ts`). Each function reaches its table by another key, looks at
 * `reach` rows at most, and gives those that are asked for; and the last of so many in any case, since what lies beyond it is not known.
 */

/** What is not asked for is null. `labels`: each of those that all must have, as JSON text. */
export type ListFilter = {
  experimentId: number
  states: string[] | null
  owner: string | null
  /** Part of the name, in lower case. */
  text: string | null
  labels: string[] | null
  since: Date | null
  until: Date | null
  below: number
  limit: number
  reach: number
}

/** `fits`: it is asked for. `isLast`: no further was looked. */
export type Looked = { id: number; fits: boolean | null; isLast: boolean }

export type Label = { name: string; value: string }

export const workflowIds = (db: Db, f: ListFilter & { program: string | null }) =>
  db.rows<Looked>(sql`
    select id, fits, n = ${f.reach} as "isLast" from (
      select w.id, row_number() over (order by w.id desc) as n,
             ((${f.states}::text[] is null or w.state = any(${f.states}::text[]))
               and (${f.owner}::text is null or w.owner_id = (select id from person where experiment_id = ${f.experimentId} and name = ${f.owner}::text))
               and (${f.text}::text is null or strpos(lower(w.name), ${f.text}::text) > 0)
               and (${f.labels}::text[] is null or w.labels @> all(${f.labels}::text[]::jsonb[])) and (${f.program}::text is null or w.program = ${f.program}::text)
               and (${f.since}::timestamptz is null or w.created_at >= ${f.since}::timestamptz)
               and (${f.until}::timestamptz is null or w.created_at < ${f.until}::timestamptz)) as fits
      from workflow w
      where w.experiment_id = ${f.experimentId} and w.id < ${f.below}
      order by w.id desc limit ${f.reach}) x
    where fits or n = ${f.reach} order by id desc limit ${f.limit}`)

/** Those of one person: of many people each has few. */
export const workflowIdsOfOwner = (db: Db, f: ListFilter & { program: string | null; ownerId: number }) =>
  db.rows<Looked>(sql`
    select id, fits, n = ${f.reach} as "isLast" from (
      select w.id, row_number() over (order by w.id desc) as n,
             ((${f.states}::text[] is null or w.state = any(${f.states}::text[])) and (${f.text}::text is null or strpos(lower(w.name), ${f.text}::text) > 0)
               and (${f.labels}::text[] is null or w.labels @> all(${f.labels}::text[]::jsonb[])) and (${f.program}::text is null or w.program = ${f.program}::text)
               and (${f.since}::timestamptz is null or w.created_at >= ${f.since}::timestamptz)
               and (${f.until}::timestamptz is null or w.created_at < ${f.until}::timestamptz)) as fits
      from workflow w
      where w.owner_id = ${f.ownerId} and w.id < ${f.below} and w.experiment_id = ${f.experimentId}
      order by w.id desc limit ${f.reach}) x
    where fits or n = ${f.reach} order by id desc limit ${f.limit}`)

/** Those with a label: off its key. `labels` has it too. */
export const labelledWorkflowIds = (db: Db, f: ListFilter & { program: string | null; label: Label }) =>
  db.rows<Looked>(sql`
    select id, fits, n = ${f.reach} as "isLast" from (
      select w.id, row_number() over (order by l.id desc) as n,
             ((${f.states}::text[] is null or w.state = any(${f.states}::text[]))
               and (${f.owner}::text is null or w.owner_id = (select id from person where experiment_id = ${f.experimentId} and name = ${f.owner}::text))
               and (${f.text}::text is null or strpos(lower(w.name), ${f.text}::text) > 0) and w.labels @> all(${f.labels}::text[]::jsonb[])
               and (${f.program}::text is null or w.program = ${f.program}::text) and (${f.since}::timestamptz is null or w.created_at >= ${f.since}::timestamptz)
               and (${f.until}::timestamptz is null or w.created_at < ${f.until}::timestamptz)) as fits
      from label l cross join lateral (select * from workflow where id = l.id offset 0) w
      where l.experiment_id = ${f.experimentId} and l.noun = 'workflow' and l.name = ${f.label.name} and l.value = ${f.label.value} and l.id < ${f.below}
      order by l.id desc limit ${f.reach}) x
    where fits or n = ${f.reach} order by id desc limit ${f.limit}`)

/** Those of one program: by the index of runs, since who runs it asks often. */
export const workflowIdsOfRun = (db: Db, f: { ownerId: number; run: string; below: number; limit: number }) =>
  db.rows<Looked>(sql`
    select id, true as fits, false as "isLast" from workflow
    where run = ${f.run}::uuid and owner_id = ${f.ownerId} and id < ${f.below} order by id desc limit ${f.limit}`)

/** Of several labels the one that fewest have, as far as a thousand tell: the others are then looked for on those. */
export const rarestLabel = async (
  db: Db,
  f: { experimentId: number; noun: 'workflow' | 'task'; labels: Label[] },
): Promise<Label> =>
  (await db.row<Label>(sql`
    select u.name, u.value from unnest(${f.labels.map((l) => l.name)}::text[], ${f.labels.map((l) => l.value)}::text[]) u(name, value)
    cross join lateral (
      select count(*) as n from (
        select from label where experiment_id = ${f.experimentId} and noun = ${f.noun} and name = u.name and value = u.value limit 1000) x) c
    order by c.n limit 1`))!

export const taskIds = (db: Db, f: ListFilter) =>
  db.rows<Looked>(sql`
    select id, fits, n = ${f.reach} as "isLast" from (
      select t.id, row_number() over (order by t.id desc) as n,
             ((${f.states}::text[] is null or t.state = any(${f.states}::text[]))
               and (${f.owner}::text is null or t.owner_id = (select id from person where experiment_id = ${f.experimentId} and name = ${f.owner}::text))
               and (${f.text}::text is null or strpos(lower(t.name), ${f.text}::text) > 0)
               and (${f.since}::timestamptz is null or t.created_at >= ${f.since}::timestamptz)
               and (${f.until}::timestamptz is null or t.created_at < ${f.until}::timestamptz)) as fits
      from task t
      where t.experiment_id = ${f.experimentId} and t.id < ${f.below}
      order by t.id desc limit ${f.reach}) x
    where fits or n = ${f.reach} order by id desc limit ${f.limit}`)

export const labelledTaskIds = (db: Db, f: ListFilter & { label: Label }) =>
  db.rows<Looked>(sql`
    select id, fits, n = ${f.reach} as "isLast" from (
      select t.id, row_number() over (order by l.id desc) as n,
             ((${f.states}::text[] is null or t.state = any(${f.states}::text[]))
               and (${f.owner}::text is null or t.owner_id = (select id from person where experiment_id = ${f.experimentId} and name = ${f.owner}::text))
               and (${f.text}::text is null or strpos(lower(t.name), ${f.text}::text) > 0) and t.labels @> all(${f.labels}::text[]::jsonb[])
               and (${f.since}::timestamptz is null or t.created_at >= ${f.since}::timestamptz)
               and (${f.until}::timestamptz is null or t.created_at < ${f.until}::timestamptz)) as fits
      from label l cross join lateral (select * from task where id = l.id offset 0) t
      where l.experiment_id = ${f.experimentId} and l.noun = 'task' and l.name = ${f.label.name} and l.value = ${f.label.value} and l.id < ${f.below}
      order by l.id desc limit ${f.reach}) x
    where fits or n = ${f.reach} order by id desc limit ${f.limit}`)

export const taskIdsOfWorkflow = (db: Db, f: ListFilter & { workflowId: number }) =>
  db.rows<Looked>(sql`
    select id, fits, n = ${f.reach} as "isLast" from (
      select t.id, row_number() over (order by t.id desc) as n,
             ((${f.states}::text[] is null or t.state = any(${f.states}::text[]))
               and (${f.owner}::text is null or t.owner_id = (select id from person where experiment_id = ${f.experimentId} and name = ${f.owner}::text))
               and (${f.text}::text is null or strpos(lower(t.name), ${f.text}::text) > 0)
               and (${f.labels}::text[] is null or t.labels @> all(${f.labels}::text[]::jsonb[]))
               and (${f.since}::timestamptz is null or t.created_at >= ${f.since}::timestamptz)
               and (${f.until}::timestamptz is null or t.created_at < ${f.until}::timestamptz)) as fits
      from task t
      where t.workflow_id = ${f.workflowId} and t.id < ${f.below} and t.experiment_id = ${f.experimentId}
      order by t.id desc limit ${f.reach}) x
    where fits or n = ${f.reach} order by id desc limit ${f.limit}`)
