import type { Database, Db } from '../../src/store/db.ts'

/** Asked before and after each statement and commit; throws when it is to fail there. After it: it was done, and nobody hears of it. */
export type Fate = { before: () => void; after: () => void }

/**
 * The database as one server process meets it. Who holds a transaction may read beside it, but not begin another: when all that may be begun are held so, each
 * waits for the others.
 */
export const faultyDatabase = (db: Database, fate: Fate): Database => {
  let inTransaction = false
  const met = async <T>(act: () => Promise<T>): Promise<T> => {
    fate.before()
    const value = await act()
    fate.after()
    return value
  }
  const over = (inner: Db): Db => ({
    rows: (query) => met(() => inner.rows(query)),
    row: (query) => met(() => inner.row(query)),
    run: (query) => met(() => inner.run(query)),
  })
  return {
    ...db,
    ...over(db),
    begin: (act) =>
      met(async () => {
        if (inTransaction) throw new Error('a transaction is open, and another is begun')
        inTransaction = true
        try {
          return await db.begin((tx) => act(over(tx)))
        } finally {
          inTransaction = false
        }
      }),
  }
}
