import { type Db, sql } from './db.ts'

/** `release`: the children wait for it no more. `orphans`: they are cancelled, since it did not finish. */
export type FamilyKind = 'release' | 'orphans'

/** A job that has ended, and whose many children are still to be told: those with ids after `after`, up to `until`. */
export type FamilyRow = { what: FamilyKind; after: number; until: number; why: string }

/** Of these jobs (locks held) with the children that they have by now. Those that are added later have higher ids, which are given out under the lock of the parent. */
export const askFamilies = (db: Db, what: FamilyKind, parents: { id: number; why: string }[], now: Date) =>
  db.run(sql`
    insert into family (parent_id, what, after, until, why, at)
    select u.id, ${what}, -1, (select max(child_id) from edge where parent_id = u.id), u.why, ${now}
    from unnest(${parents.map((p) => p.id)}::bigint[], ${parents.map((p) => p.why)}::text[]) u(id, why) order by u.id
    on conflict (parent_id) do update
    set what = excluded.what, after = -1, until = excluded.until, why = excluded.why, at = excluded.at`)

/** The parent at whose children nobody was for longest. */
export const nextFamily = async (db: Db): Promise<number | undefined> =>
  (await db.row<{ id: number }>(sql`select parent_id as id from family order by at, parent_id limit 1`))?.id

export const familyOf = (db: Db, parentId: number) =>
  db.row<FamilyRow>(sql`select what, after, until, why from family where parent_id = ${parentId}`)

export const moveOnFamily = (db: Db, parentId: number, after: number, now: Date) =>
  db.run(sql`update family set after = ${after}, at = ${now} where parent_id = ${parentId}`)

export const dropFamily = (db: Db, parentId: number) => db.run(sql`delete from family where parent_id = ${parentId}`)

/** The next of the children, in order of id. */
export const nextChildren = async (
  db: Db,
  parentId: number,
  { after, until }: FamilyRow,
  limit: number,
): Promise<number[]> =>
  (
    await db.rows<{ id: number }>(sql`
      select child_id as id from edge where parent_id = ${parentId} and child_id > ${after} and child_id <= ${until} order by child_id limit ${limit}`)
  ).map((row) => row.id)
