import { type Db, sql } from './db.ts'

export type TokenRow = {
  kind: 'user' | 'pilot'
  personId: number | null
  person: string | null
  admin: boolean | null
  operator: boolean | null
  experimentId: number | null
  experiment: string | null
  queueId: number | null
  queue: string | null
  expiresAt: Date | null
}

/** Whose token this is; undefined when it is unknown, over or revoked. */
export const tokenByHash = (db: Db, hash: Buffer, now: Date) =>
  db.row<TokenRow>(sql`
    select t.kind, t.expires_at as "expiresAt", p.id as "personId", p.name as person, p.admin, p.operator, e.id as "experimentId", e.name as experiment,
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

/** The owner of a home runs its installation: makes him its operator, whatever he was before. */
export const makeOperator = (db: Db, personId: number) =>
  db.run(sql`update person set admin = true, operator = true where id = ${personId} and not (admin and operator)`)

export type PersonRow = { id: number; name: string; experimentId: number; operator: boolean }

export const personNamed = (db: Db, experimentId: number, name: string) =>
  db.row<PersonRow>(sql`
    select id, name, experiment_id as "experimentId", operator from person where experiment_id = ${experimentId} and name = ${name}`)

export const experimentNamed = (db: Db, name: string) =>
  db.row<{ id: number }>(sql`select id from experiment where name = ${name}`)

/** With a group `users`, of which everybody is who is put into no other; undefined when the name is taken. */
export const insertExperiment = (db: Db, name: string) =>
  db.row<{ id: number }>(sql`
    with e as (insert into experiment (name) values (${name}) on conflict (name) do nothing returning id)
    insert into team (experiment_id, name) select id, 'users' from e returning experiment_id as id`)

/** Of one experiment, or of all. */
export const experiments = (db: Db, experimentId: number | null) =>
  db.rows<{ name: string; groups: string[]; users: number }>(sql`
    select e.name, array(select t.name from team t where t.experiment_id = e.id order by t.id) as groups,
           (select count(*)::int from person p where p.experiment_id = e.id) as users
    from experiment e where ${experimentId}::int is null or e.id = ${experimentId}::int order by e.id`)

export type PersonView = {
  name: string
  experiment: string
  admin: boolean
  operator: boolean
  groups: { name: string; role: 'member' | 'manager' }[]
}

export const people = (db: Db, f: { experimentId: number | null; personId: number | null }) =>
  db.rows<PersonView>(sql`
    select p.name, e.name as experiment, p.admin, p.operator,
           coalesce((select json_agg(json_build_object('name', t.name, 'role', m.role) order by t.id)
                     from member m join team t on t.id = m.team_id where m.person_id = p.id), '[]') as groups
    from person p join experiment e on e.id = p.experiment_id
    where (${f.experimentId}::int is null or p.experiment_id = ${f.experimentId}::int) and (${f.personId}::int is null or p.id = ${f.personId}::int)
    order by p.experiment_id, p.id limit 10000`)

/** The person of that name, made when there is none. One who is an admin stays one. */
export const insertPerson = (db: Db, p: { experimentId: number; name: string; admin: boolean; now: Date }) =>
  db.row<{ id: number }>(sql`
    insert into person (experiment_id, name, admin, created_at) values (${p.experimentId}, ${p.name}, ${p.admin}, ${p.now})
    on conflict (experiment_id, name) do update set admin = person.admin or excluded.admin
    returning id`)

/** Puts the person into a group, which is made when there is none; without a name into the first one of the experiment, unless he is in some. */
export const joinTeam = async (
  db: Db,
  m: { experimentId: number; personId: number; team: string | null; role: 'member' | 'manager' },
): Promise<void> => {
  if (m.team !== null)
    await db.run(
      sql`insert into team (experiment_id, name) values (${m.experimentId}, ${m.team}) on conflict (experiment_id, name) do nothing`,
    )
  await db.run(sql`
    insert into member (team_id, person_id, role)
    select t.id, ${m.personId}::int, ${m.role}
    from (select id, name from team where experiment_id = ${m.experimentId} order by id) t
    where t.name = ${m.team}::text
       or (${m.team}::text is null and t.id = (select min(id) from team where experiment_id = ${m.experimentId})
           and not exists (select from member where person_id = ${m.personId}::int))
    on conflict (team_id, person_id) do update set role = excluded.role`)
}

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
