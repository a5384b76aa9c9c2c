import { hostname } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { fault } from '../../contract/faults.ts'
import { crashPoints } from '../crashPoints.ts'
import { version } from '../files.ts'
import { prepareHome, resolveHome } from '../home.ts'
import { readServer, removeServer, writeServer } from '../homeServer.ts'
import { openSecretKeys } from '../secretKeys.ts'
import type { Parts } from '../serve.ts'
import { logLevelOption, metricsPortOption, tracesOption, whole } from './options.ts'

/** `culm server`: the API alone. Any number may run on one database. */
export const serverCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('server')
    .description('serve the API on an outside PostgreSQL (DATABASE_URL)')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on', whole, 8780)
    .option('--announce', 'write its address into the home, for the programs of this user')
    .addOption(tracesOption())
    .addOption(logLevelOption())
    .action(
      async ({ host, port, announce, ...watch }: { host: string; port: number; announce?: boolean } & Watched) => {
        if (!['127.0.0.1', 'localhost', '::1'].includes(host))
          throw fault(
            'plain_http',
            `${host} is not this machine: listen on 127.0.0.1 and let a proxy speak TLS to the outside`,
          )
        await runPart(env, { server: { host, port } }, announce === true, watch)
      },
    )

/** `culm agents`: the loops that keep everything going. One is enough; any number may run. */
export const agentsCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('agents')
    .description('run the agents on an outside PostgreSQL (DATABASE_URL)')
    .addOption(metricsPortOption())
    .addOption(tracesOption())
    .addOption(logLevelOption())
    .action((watch: Watched) => runPart(env, { agents: true }, false, watch))

type Watched = { traces?: string; logLevel?: string; metricsPort?: number }

const runPart = async (
  env: NodeJS.ProcessEnv,
  parts: Parts,
  announce: boolean,
  { traces, metricsPort, logLevel: level }: Watched,
): Promise<void> => {
  const [{ openEngine }, { serve }, { admitHomeTokens }, { logLevel, stderrLog }, { openWatch }, { serverMetrics }] =
    await Promise.all([
      import('../openEngine.ts'),
      import('../serve.ts'),
      import('../admitTokens.ts'),
      import('../log.ts'),
      import('../watch.ts'),
      import('../../services/engine/metrics.ts'),
    ])
  const log = stderrLog(logLevel(env, level))
  const home = resolveHome(env)
  await prepareHome(home, { version })
  const databaseUrl = env.DATABASE_URL ?? (await readServer(home))?.databaseUrl
  if (!databaseUrl) throw fault('database_away', 'DATABASE_URL is not set, and no server of this home runs')
  const passing = crashPoints(env.CULM_CRASH_AT)
  const hasApi = parts.server !== undefined
  const watch = await openWatch(hasApi ? 'culm-server' : 'culm-agents', serverMetrics, {
    env,
    traces,
    metricsPort,
    hasApi,
  })
  // Whatever fails, all that was opened is closed: it would keep a process alive that serves nothing, and that nobody starts again.
  const opened = [watch.stop]
  try {
    const { engine, close } = await openEngine({
      id: parts.server?.port ? `${hostname()}:${parts.server.port}` : undefined,
      database: { connectionString: databaseUrl },
      storageFolder: env.CULM_STORAGE ?? join(home, 'storage'),
      log,
      passing,
      secretKeys: openSecretKeys(home, env),
      metrics: watch.metrics,
      tracer: watch.tracer,
    })
    opened.push(close)
    await admitHomeTokens(engine, home, 'local')
    const { url, stop } = await serve(engine, parts, passing, watch.metricsText)
    opened.push(stop)
    if (url) {
      console.error(`listening on ${url}`)
      if (announce) await writeServer(home, { url, pid: process.pid, startedAt: new Date().toISOString(), version })
    }
    await new Promise<void>((resolve) => {
      process.once('SIGTERM', resolve)
      process.once('SIGINT', resolve)
    })
    if (announce) await removeServer(home)
  } finally {
    for (const act of opened.reverse()) await act()
  }
}
