import type pg from 'pg'
import { sleep } from '../lib/clock.ts'
import { type Database, sql } from './db.ts'

/** PostgreSQL takes up to 8,000 bytes in one notification. */
const maxPayload = 7_900

export type Wire = {
  send: (keys: readonly string[]) => void
  /** Looks whether there is anybody to ring for: nothing is sent while this process is alone on the database. */
  lookAround: () => Promise<void>
  close: () => Promise<void>
}

/**
 * Carries the rings of a bell between the processes on one database. One connection listens and sends. What is rung within `restMs` goes in one notification
 * after the commits it speaks of: NOTIFY takes a lock over all commits, and so must be rare. Nothing depends on it: who waits looks for itself once
 * a second. `hear` gets what other processes rang; `lost` is called when some of it may have been missed.
 */
export const openWire = (
  db: Database,
  { self, hear, lost, restMs = 5 }: { self: string; hear: (keys: string[]) => void; lost: () => void; restMs?: number },
): Wire => {
  const pending = new Set<string>()
  let client: pg.Client | undefined
  let closed = false
  let alone = false
  let sending = false

  const connect = async (): Promise<void> => {
    for (let n = 0; !closed; n++) {
      let fresh: pg.Client | undefined
      try {
        fresh = await db.connect()
        fresh.on('end', () => {
          // One that was not yet in use is replaced below.
          if (client !== fresh) return
          client = undefined
          if (!closed) void connect()
        })
        fresh.on('notification', ({ payload = '' }) => {
          const [from, ...keys] = payload.split(' ')
          if (from !== self) hear(keys)
        })
        await fresh.query('listen culm')
        // Nothing of value is written by a notification: not waiting for the disk makes it cheap.
        await fresh.query('set synchronous_commit = off')
        client = fresh
        if (n > 0) lost()
        return
      } catch {
        void fresh?.end().catch(() => {})
        await sleep(Math.min(2000, 50 * 2 ** n))
      }
    }
  }

  const flush = async (): Promise<void> => {
    while (pending.size > 0 && client) {
      const keys: string[] = []
      for (let length = self.length; pending.size > 0; ) {
        const key = pending.values().next().value!
        length += key.length + 1
        if (length > maxPayload) break
        keys.push(key)
        pending.delete(key)
      }
      await client.query('select pg_notify($1, $2)', ['culm', `${self} ${keys.join(' ')}`]).catch(() => {})
      await sleep(restMs)
    }
  }

  const opening = connect()
  return {
    send: (keys) => {
      for (const key of keys) pending.add(key)
      // While the wire is down its rings are worthless later: whoever reconnects looks for itself.
      if (!client || alone) return pending.clear()
      if (sending) return
      sending = true
      void flush().finally(() => {
        sending = false
      })
    },
    lookAround: async () => {
      await opening
      const row = await db.row<{ n: number }>(sql`
        select count(*)::int as n from pg_stat_activity where application_name = 'culm-bell' and datname = current_database()`)
      alone = row?.n === 1 && client !== undefined
    },
    close: async () => {
      closed = true
      await opening
      await client?.end()
    },
  }
}
