import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../lib/log.ts'
import type { SecretKeys } from '../ports/secretKeys.ts'
import type { Engine } from '../services/engine/engine.ts'
import { serverMetrics } from '../services/engine/metrics.ts'
import { admitHomeTokens } from './admitTokens.ts'
import { writeAtomically } from './atomicFile.ts'
import { version } from './files.ts'
import { prepareHome, stampHome } from './home.ts'
import { claimHome } from './homeLock.ts'
import { removeServer, type ServerRecord, writeServer } from './homeServer.ts'
import { openEngine } from './openEngine.ts'
import { startPostgres } from './postgres/startPostgres.ts'
import { serve } from './serve.ts'
import { openWatch } from './watch.ts'

export type LocalServer = {
  url: string
  /** Resolves with the reason when it cannot go on. */
  failed: Promise<unknown>
  stop: () => Promise<void>
}

/** Either the server of this home that runs already, or a new one: embedded PostgreSQL (or `databaseUrl`), API and agents in this process. */
export const startLocal = async (options: {
  home: string
  log: Log
  port?: number
  databaseUrl?: string
  secretKeys: SecretKeys
  env: NodeJS.ProcessEnv
  traces?: string
  say: (line: string) => void
}): Promise<{ kind: 'running'; server: ServerRecord } | { kind: 'mine'; server: LocalServer }> => {
  const { home, log, say } = options
  await prepareHome(home, { version })
  const claim = await claimHome(home)
  if (claim.kind === 'running') return claim
  const undo: (() => Promise<void>)[] = [claim.release]
  const stop = async () => {
    for (const act of undo.splice(0).reverse())
      await act().catch((error) => log.error({ error: String(error) }, 'while ending'))
  }
  try {
    await stampHome(home, version)
    const { connection, url: databaseUrl, failed, stopDatabase } = await openPostgres(options)
    undo.push(stopDatabase)
    say('the database is ready')
    const { env, traces } = options
    const watch = await openWatch('culm', serverMetrics, { env, traces, hasApi: true })
    undo.push(watch.stop)
    const { engine, close } = await openEngine({
      id: `${hostname()}:${home}`,
      database: connection,
      storageFolder: join(home, 'storage'),
      log,
      secretKeys: options.secretKeys,
      metrics: watch.metrics,
      tracer: watch.tracer,
    })
    undo.push(close)
    await admitHomeTokens(engine, home, 'local')
    const { url, stop: stopServing } = await serveAtKeptPort(engine, home, options.port, watch.metricsText)
    undo.push(stopServing)
    await writeServer(home, { url, pid: process.pid, startedAt: new Date().toISOString(), version, databaseUrl })
    undo.push(() => removeServer(home))
    return { kind: 'mine', server: { url, failed, stop } }
  } catch (error) {
    await stop()
    throw error
  }
}

const openPostgres = async ({ home, log, databaseUrl }: { home: string; log: Log; databaseUrl?: string }) => {
  if (databaseUrl)
    return {
      connection: { connectionString: databaseUrl },
      url: databaseUrl,
      failed: new Promise<never>(() => {}),
      stopDatabase: async () => {},
    }
  const postgres = await startPostgres({ home, log })
  return {
    connection: { ...postgres.connection },
    url: postgres.url,
    failed: postgres.failed,
    stopDatabase: () => postgres.stop(),
  }
}

/** The port of the last start if it is free, so that links and pilots go on working; otherwise any free one. */
const serveAtKeptPort = async (
  engine: Engine,
  home: string,
  wanted: number | undefined,
  metrics: () => Promise<string>,
) => {
  const file = join(home, 'run', 'port')
  const at = async (port: number) => {
    const { url, stop } = await serve(engine, { server: { host: '127.0.0.1', port }, agents: true }, undefined, metrics)
    await writeAtomically(file, new URL(url!).port)
    return { url: url!, stop }
  }
  if (wanted !== undefined) return at(wanted)
  const kept = Number(await readFile(file, 'utf8').catch(() => '0'))
  return at(kept).catch(() => at(0))
}
