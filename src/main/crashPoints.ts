import type { FastifyInstance } from 'fastify'
import type { Client } from '../contract/client.ts'
import { type Route, routes } from '../contract/routes.ts'
import type { Database } from '../store/db.ts'

/** Told that the process has come to a named point. */
export type Passing = (point: string) => void

/**
 * For `test/chaos`: lets the process die as by kill −9 at a named point, the n-th time that it comes there, by `CULM_CRASH_AT=report.replying:5`. The points lie
 * where `main` wires things, so nothing else knows of them; without the variable nothing is wired. ROUTE is a name of `contract/routes.ts`:
 *
 * - server: `ROUTE.asked` (nothing done yet), `ROUTE.replying` (done and committed, the reply not sent)
 * - server and agents: `transaction.committing` (all statements done, no commit), `transaction.committed` (nobody told yet)
 * - pilot: `ROUTE.asking` (about to send), `ROUTE.answered` (the answer is here, nothing done about it yet)
 */
export const crashPoints = (
  text: string | undefined,
  die: () => void = () => process.kill(process.pid, 'SIGKILL'),
): Passing | undefined => {
  if (!text) return undefined
  const [wanted, times = '1'] = text.split(':')
  let left = Number(times)
  return (point) => {
    if (point === wanted && --left === 0) die()
  }
}

/** The points of transactions. */
export const passingDatabase = (db: Database, passing: Passing | undefined): Database =>
  passing
    ? {
        ...db,
        begin: async (act) => {
          const value = await db.begin(async (tx) => {
            const value = await act(tx)
            passing('transaction.committing')
            return value
          })
          passing('transaction.committed')
          return value
        },
      }
    : db

/** The points of requests, in the process that serves them. */
export const passRequests = (app: FastifyInstance, passing: Passing | undefined): void => {
  if (!passing) return
  const names = new Map(
    Object.entries(routes).map(([name, { method, path }]: [string, Route]) => [`${method} ${path}`, name]),
  )
  const nameOf = ({ method, url }: { method?: string | string[]; url?: string }) => names.get(`${method} ${url}`)
  app.addHook('preHandler', async ({ routeOptions }) => {
    passing(`${nameOf(routeOptions)}.asked`)
  })
  app.addHook('onSend', async ({ routeOptions }) => {
    passing(`${nameOf(routeOptions)}.replying`)
  })
}

/** The points of requests, in the process that sends them. */
export const passingClient = (client: Client, passing: Passing | undefined): Client =>
  passing
    ? {
        ...client,
        call: async (name, options) => {
          passing(`${name}.asking`)
          const reply = await client.call(name, options)
          passing(`${name}.answered`)
          return reply
        },
      }
    : client
