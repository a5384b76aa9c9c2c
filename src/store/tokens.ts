import { type Db, sql } from './db.ts'

export type IssuedTokenRow = {
  id: number
  kind: 'user' | 'pilot'
  name: string
  personId: number | null
  experimentId: number | null
  experiment: string | null
  operator: boolean | null
  note: string
  createdAt: Date
  expiresAt: Date | null
  revokedAt: Date | null
}

/** Tokens, newest first: of a person, of an experiment's people, or of all. */
export const tokensOf = (db: Db, f: { id: number | null; personId: number | null; experimentId: number | null }) =>
  db.rows<IssuedTokenRow>(sql`
    select t.id, t.kind, coalesce(p.name, q.name) as name, t.person_id as "personId", p.experiment_id as "experimentId", e.name as experiment, p.operator, t.note,
           t.created_at as "createdAt", t.expires_at as "expiresAt", t.revoked_at as "revokedAt"
    from token t left join person p on p.id = t.person_id left join experiment e on e.id = p.experiment_id left join queue q on q.id = t.queue_id
    where (${f.id}::bigint is null or t.id = ${f.id}::bigint) and (${f.personId}::int is null or t.person_id = ${f.personId}::int)
      and (${f.experimentId}::int is null or p.experiment_id = ${f.experimentId}::int)
    order by t.id desc limit 1000`)

export const issueToken = (
  db: Db,
  t: {
    hash: Buffer
    personId: number | null
    queueId: number | null
    note: string
    createdBy: number
    now: Date
    expiresAt: Date | null
  },
) =>
  db.row<{ id: number }>(sql`
    insert into token (hash, kind, person_id, queue_id, note, created_at, expires_at, created_by)
    values (${t.hash}, ${t.personId === null ? 'pilot' : 'user'}, ${t.personId}, ${t.queueId}, ${t.note}, ${t.now}, ${t.expiresAt}, ${t.createdBy})
    returning id`)

/** A token that was taken back stays so since the first time. */
export const revokeToken = (db: Db, id: number, now: Date) =>
  db.run(sql`update token set revoked_at = ${now} where id = ${id} and revoked_at is null`)
