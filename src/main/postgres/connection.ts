/** What `pg` needs to connect: `host` is the folder of the socket, and `port` only names the file in it. */
export type Connection = { host: string; port: number; user: string; password: string; database: string }

/** The superuser of the cluster, and the database in it, are both the product's own. */
export const superuser = 'culm'
export const databaseName = 'culm'

/** Nothing listens on this port: it is part of the socket's name, which is how PostgreSQL's clients look for it. */
export const socketPort = 5432
export const socketName = `.s.PGSQL.${socketPort}`

export const connectionOf = (socketFolder: string, password: string): Connection => ({
  host: socketFolder,
  port: socketPort,
  user: superuser,
  password,
  database: databaseName,
})

/**
 * `localhost` only fills the place of a host, since not every parser takes an empty one: `host` in the query overrides
 * it.
 */
export const urlOf = ({ host, port, user, password, database }: Connection): string =>
  `postgresql://${user}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`
