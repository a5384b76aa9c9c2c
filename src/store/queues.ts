import { type Db, sql } from './db.ts'

/** A queue at a site, which is made when there is none; undefined when the name is taken. */
export const insertQueue = async (
  db: Db,
  { name, site, environment }: { name: string; site: string; environment: string | null },
) => {
  await db.run(sql`insert into site (name) values (${site}) on conflict (name) do nothing`)
  return db.row<{ id: number }>(sql`
    insert into queue (site_id, name, state, environment) select id, ${name}, 'online', ${environment}::text from site where name = ${site}
    on conflict (name) do nothing returning id`)
}

/** False when there is none of this name. */
export const setQueueEnvironment = async (db: Db, name: string, environment: string | null): Promise<boolean> =>
  (await db.run(sql`update queue set environment = ${environment}::text where name = ${name}`)) > 0

export const queueNamed = (db: Db, name: string) =>
  db.row<{ id: number }>(sql`select id from queue where name = ${name}`)
