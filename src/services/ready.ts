import { fault } from '../contract/faults.ts'
import { isFault, messageOf } from '../lib/fault.ts'
import { readHorizon } from '../store/history.ts'
import { appliedMigrations } from '../store/migrate.ts'
import type { Engine } from './engine/engine.ts'

export type Readiness = { database: 'ok'; migrations: 'ok'; storage: 'ok' }

/** What does not answer for so long is away, ms: whoever asks (a proxy, Kubernetes) has a deadline of its own, of some seconds. */
const deadlineMs = 2000

/** So long an answer is given again, ms: nobody needs a right to ask, so asking must cost little. */
const keptMs = 500

const kept = new WeakMap<Engine, { at: number; answer: Promise<Readiness> }>()

/** Whether this process can serve. Throws the fault of the first thing that it lacks; its data say how all of them are. */
export const checkReady = (engine: Engine): Promise<Readiness> => {
  const now = engine.clock().getTime()
  const known = kept.get(engine)
  if (known && Math.abs(now - known.at) < keptMs) return known.answer
  const answer = look(engine)
  answer.catch(() => {})
  kept.set(engine, { at: now, answer })
  return answer
}

const look = async (engine: Engine): Promise<Readiness> => {
  const checks = {
    database: () => readHorizon(engine.db),
    migrations: () => checkMigrations(engine),
    storage: () => engine.storage.check(),
  }
  const found = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => ({ name, error: await failureOf(name, check) })),
  )
  const first = found.find(({ error }) => error)?.error
  if (!first) return { database: 'ok', migrations: 'ok', storage: 'ok' }
  const all = Object.fromEntries(found.map(({ name, error }) => [name, error ? error.code : 'ok']))
  throw fault(first.code, first.detail, { checks: all })
}

type Failure = { code: 'database_away' | 'schema_behind' | 'storage_full' | 'storage_away'; detail: string }

const failureOf = async (name: string, check: () => Promise<unknown>): Promise<Failure | undefined> => {
  const late = Symbol('late')
  try {
    const end = await Promise.race([
      check(),
      new Promise<typeof late>((resolve) => setTimeout(() => resolve(late), deadlineMs).unref()),
    ])
    return end === late ? { code: awayOf(name), detail: `no answer within ${deadlineMs / 1000} s` } : undefined
  } catch (error) {
    const known = ['database_away', 'schema_behind', 'storage_full'] as const
    const code = known.find((code) => isFault(error, code)) ?? awayOf(name)
    return { code, detail: messageOf(error) }
  }
}

const awayOf = (name: string) => (name === 'storage' ? 'storage_away' : 'database_away')

/** A database that was put back to an older state lacks what this process was written for; one that a newer server has brought further does not. */
const checkMigrations = async ({ db, migrations }: Engine): Promise<void> => {
  const there = new Set(await appliedMigrations(db))
  const missing = migrations.filter((name) => !there.has(name))
  if (missing.length > 0) throw fault('schema_behind', `the database lacks ${missing.join(', ')}`)
}
