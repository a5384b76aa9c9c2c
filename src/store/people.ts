import { type Db, sql } from './db.ts'

export type TokenRow = {
  kind: 'user' | 'pilot'
  personId: number | null
  person: string | null
  admin: boolean | null
  experimentId: number | null
  experiment: string | null
  queueId: number | null
  queue: string | null
}

/** Whose token this is; undefined when it is unknown, over or revoked. */
export const tokenByHash = (db: Db, hash: Buffer, now: Date) =>
  db.row<TokenRow>(sql`
    select t.kind, p.id as "personId", p.name as person, p.admin, e.id as "experimentId", e.name as experiment,
           q.id as "queueId", q.name as queue
    from token t
    left join person p on p.id = t.person_id
    left join experiment e on e.id = p.experiment_id
    left join queue q on q.id = t.queue_id
    where t.hash = ${hash} and t.revoked_at is null and (t.expires_at is null or t.expires_at > ${now})`)

export const insertToken = (
  db: Db,
  {
    hash,
    kind,
    personId,
    queueId,
    note,
    now,
  }: { hash: Buffer; kind: 'user' | 'pilot'; personId: number | null; queueId: number | null; note: string; now: Date },
) =>
  db.run(sql`
    insert into token (hash, kind, person_id, queue_id, note, created_at)
    values (${hash}, ${kind}, ${personId}, ${queueId}, ${note}, ${now}) on conflict (hash) do nothing`)

/** Makes the person a member of the experiment's first team, if there is none of that name. */
export const ensurePerson = async (
  db: Db,
  { experimentId, name, admin, now }: { experimentId: number; name: string; admin: boolean; now: Date },
): Promise<number> => {
  await db.run(sql`
    with p as (
      insert into person (experiment_id, name, admin, created_at) values (${experimentId}, ${name}, ${admin}, ${now})
      on conflict (experiment_id, name) do nothing returning id)
    insert into member (team_id, person_id, role)
    select t.id, p.id, 'member' from p, lateral (select id from team where experiment_id = ${experimentId} order by id limit 1) t`)
  const row = await db.row<{ id: number }>(
    sql`select id from person where experiment_id = ${experimentId} and name = ${name}`,
  )
  return row!.id
}

export const teamsOf = (db: Db, personId: number) =>
  db.rows<{ id: number; name: string; role: 'member' | 'manager' }>(sql`
    select t.id, t.name, m.role from member m join team t on t.id = m.team_id where m.person_id = ${personId} order by t.id`)

/** The key of that name, made from `fresh` when there is none yet; whoever comes first wins. */
export const secretKey = async (db: Db, name: string, fresh: Buffer): Promise<Buffer> => {
  await db.run(sql`insert into secret_key (name, key) values (${name}, ${fresh}) on conflict (name) do nothing`)
  return (await db.row<{ key: Buffer }>(sql`select key from secret_key where name = ${name}`))!.key
}

export type KeptReply = { body: Buffer; reply: string }

export const keptReply = (db: Db, personId: number, route: string, key: string) =>
  db.row<KeptReply>(
    sql`select body, reply from idempotency where person_id = ${personId} and route = ${route} and key = ${key}`,
  )

/** 0 when the key is taken: the caller's transaction must not go on. */
export const keepReply = (
  db: Db,
  {
    personId,
    route,
    key,
    body,
    reply,
    now,
  }: { personId: number; route: string; key: string; body: Buffer; reply: string; now: Date },
) =>
  db.run(sql`
    insert into idempotency (person_id, route, key, body, reply, created_at)
    values (${personId}, ${route}, ${key}, ${body}, ${reply}, ${now}) on conflict do nothing`)

export const forgetReplies = (db: Db, before: Date) => db.run(sql`delete from idempotency where created_at < ${before}`)
