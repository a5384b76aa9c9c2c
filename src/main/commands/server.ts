import { join } from 'node:path'
import { Command } from 'commander'
import { fault } from '../../contract/faults.ts'
import { version } from '../files.ts'
import { prepareHome, resolveHome } from '../home.ts'
import { readServer, removeServer, writeServer } from '../homeServer.ts'
import type { Parts } from '../serve.ts'
import { whole } from './pilot.ts'

/** `culm server`: the API alone. Any number may run on one database. */
export const serverCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('server')
    .description('serve the API on an outside PostgreSQL (DATABASE_URL)')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on', whole, 8780)
    .option('--announce', 'write its address into the home, for the programs of this user')
    .action(async ({ host, port, announce }: { host: string; port: number; announce?: boolean }) => {
      if (!['127.0.0.1', 'localhost', '::1'].includes(host))
        throw fault(
          'plain_http',
          `${host} is not this machine: listen on 127.0.0.1 and let a proxy speak TLS to the outside`,
        )
      await runPart(env, { server: { host, port } }, announce === true)
    })

/** `culm agents`: the loops that keep everything going. One is enough; any number may run. */
export const agentsCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('agents')
    .description('run the agents on an outside PostgreSQL (DATABASE_URL)')
    .action(() => runPart(env, { agents: true }, false))

const runPart = async (env: NodeJS.ProcessEnv, parts: Parts, announce: boolean): Promise<void> => {
  const [{ openEngine }, { serve }, { admitHomeTokens }, { stderrLog }] = await Promise.all([
    import('../openEngine.ts'),
    import('../serve.ts'),
    import('../admitTokens.ts'),
    import('../log.ts'),
  ])
  const home = resolveHome(env)
  await prepareHome(home, { version })
  const databaseUrl = env.DATABASE_URL ?? (await readServer(home))?.databaseUrl
  if (!databaseUrl) throw fault('database_away', 'DATABASE_URL is not set, and no server of this home runs')
  const { engine, close } = await openEngine({
    database: { connectionString: databaseUrl },
    storageFolder: env.CULM_STORAGE ?? join(home, 'storage'),
    log: stderrLog(),
  })
  await admitHomeTokens(engine, home, 'local')
  const { url, stop } = await serve(engine, parts)
  if (url) {
    console.error(`listening on ${url}`)
    if (announce) await writeServer(home, { url, pid: process.pid, startedAt: new Date().toISOString(), version })
  }
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  if (announce) await removeServer(home)
  await stop()
  await close()
}
