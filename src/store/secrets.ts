import { type Db, sql } from './db.ts'

export type SecretRow = { personId: number; name: string; keyId: string; sealed: Buffer }

export const putSecret = (db: Db, s: SecretRow & { now: Date }) =>
  db.row<{ createdAt: Date; setAt: Date }>(sql`
    insert into secret (person_id, name, key_id, sealed, created_at, set_at)
    values (${s.personId}, ${s.name}, ${s.keyId}, ${s.sealed}, ${s.now}, ${s.now})
    on conflict (person_id, name) do update set key_id = excluded.key_id, sealed = excluded.sealed, set_at = excluded.set_at
    returning created_at as "createdAt", set_at as "setAt"`)

export const secretsOf = (db: Db, personId: number) =>
  db.rows<{ name: string; createdAt: Date; setAt: Date }>(sql`
    select name, created_at as "createdAt", set_at as "setAt" from secret where person_id = ${personId} order by name`)

export const secretsNamed = (db: Db, personId: number, names: string[]) =>
  db.rows<SecretRow>(sql`
    select person_id as "personId", name, key_id as "keyId", sealed from secret where person_id = ${personId} and name = any(${names}::text[])`)

export const deleteSecret = (db: Db, personId: number, name: string) =>
  db.run(sql`delete from secret where person_id = ${personId} and name = ${name}`)

/** Those that another key than `keyId` sealed, locked for whoever seals them anew. */
export const lockOtherwiseSealed = (db: Db, keyId: string, limit: number) =>
  db.rows<SecretRow>(sql`
    select person_id as "personId", name, key_id as "keyId", sealed from secret where key_id <> ${keyId} order by person_id, name limit ${limit} for update`)

export const reseal = (db: Db, s: SecretRow) =>
  db.run(
    sql`update secret set key_id = ${s.keyId}, sealed = ${s.sealed} where person_id = ${s.personId} and name = ${s.name}`,
  )

export const countOtherwiseSealed = async (db: Db, keyId: string): Promise<number> =>
  (await db.row<{ n: number }>(sql`select count(*)::int as n from secret where key_id <> ${keyId}`))!.n
