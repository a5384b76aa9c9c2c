import { type Db, sql } from './db.ts'

/** A queue at a site, which is made when there is none; undefined when the name is taken. */
export const insertQueue = async (db: Db, name: string, site: string) => {
  await db.run(sql`insert into site (name) values (${site}) on conflict (name) do nothing`)
  return db.row<{ id: number }>(sql`
    insert into queue (site_id, name, state) select id, ${name}, 'online' from site where name = ${site}
    on conflict (name) do nothing returning id`)
}

export const queueNamed = (db: Db, name: string) =>
  db.row<{ id: number }>(sql`select id from queue where name = ${name}`)
