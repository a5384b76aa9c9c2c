import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { availableParallelism, hostname, totalmem } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { fault } from '../../contract/faults.ts'
import { collectEarly } from '../collectEarly.ts'
import { crashPoints, passingClient } from '../crashPoints.ts'
import { files, version } from '../files.ts'
import { chooseGpus } from '../gpus.ts'
import { resolveHome } from '../home.ts'
import { readServer } from '../homeServer.ts'
import { chooseIsolation, readOwner } from '../isolation.ts'
import { chooseRuntimes, runtimeNames } from '../runtimes.ts'
import { pilotTokenFile } from '../tokens.ts'
import { gpusOption, logLevelOption, metricsPortOption, tracesOption, whole } from './options.ts'

type Options = {
  queue: string
  slots: number
  memory?: number
  gpus?: number
  folder?: string
  whileParentLives?: boolean
  grace: number
  own?: string
  isolation: boolean
  runtime?: (typeof runtimeNames)[number][]
  environments?: string
  server?: string
  metricsPort?: number
  traces?: string
  logLevel?: string
}

export const pilotCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('pilot')
    .description('serve a queue: claim jobs, run them, report')
    .option('--queue <name>', 'the queue to serve', 'local')
    .option('--slots <n>', 'cores to use at once', whole, availableParallelism())
    .option('--memory <MB>', 'memory that limits of jobs may add up to', whole)
    .addOption(gpusOption())
    .option('--folder <path>', 'where caches and working directories lie')
    .option('--grace <seconds>', 'how long running jobs may go on after SIGTERM', whole, 30)
    .option('--own <owner>', 'u3: the owner whose payloads may reach the files of this user; others have none of them')
    .option('--no-isolation', 'payloads share the user of the pilot and all his files')
    .addOption(
      new Option('--runtime <name...>', 'what runs images, in this order; all that is installed when left out').choices(
        runtimeNames,
      ),
    )
    .option('--environments <folder>', 'where packages are installed; pilots of one machine may share it')
    .option('--while-parent-lives', 'end when standard input ends')
    .addOption(metricsPortOption())
    .addOption(tracesOption())
    .addOption(logLevelOption())
    .action(async (options: Options, command: Command) => {
      collectEarly()
      const [{ makeClient }, { pilotMetrics, pilotName, runPilot }, { logLevel, stderrLog }, { openWatch }] =
        await Promise.all([
          import('../../contract/client.ts'),
          import('../../pilot/index.ts'),
          import('../log.ts'),
          import('../watch.ts'),
        ])
      const { traces, metricsPort } = options
      const log = stderrLog(logLevel(env, options.logLevel))
      const home = resolveHome(env)
      const url = command.optsWithGlobals().server ?? env.CULM_SERVER ?? (await readServer(home))?.url
      if (!url) throw fault('server_unknown')
      const token = await pilotToken(env, home, options.queue)
      const { ending, killing } = signals(options.whileParentLives === true)
      const folder = options.folder ?? join(home, 'pilot', options.queue)
      const client = makeClient({ url, token, retrySeconds: 3600 })
      const watch = await openWatch('culm-pilot', pilotMetrics, { env, traces, metricsPort })
      try {
        const own = options.own ?? (await ownerServed(home, url))
        const { isolation, says, lacks } = await chooseIsolation({ home, env, own, wanted: options.isolation })
        log[lacks ? 'warn' : 'info']({ own }, says)
        const gpus = chooseGpus(env, options.gpus)
        if (gpus.length < (options.gpus ?? 0)) log.warn({ gpus }, 'this pilot was given fewer GPUs than are wanted')
        await runPilot({
          client: passingClient(client, crashPoints(env.CULM_CRASH_AT)),
          token,
          name: await pilotName(folder, randomBytes(6).toString('hex')),
          queue: options.queue,
          slots: options.slots,
          memoryMb: options.memory ?? Math.floor(totalmem() / 1e6),
          gpus,
          folder,
          host: hostname(),
          version,
          environment: env,
          isolation,
          runtimes: chooseRuntimes(env, options.runtime),
          environments: options.environments,
          pythonPath: files.pythonPath,
          nodeRunner: files.nodeRunner,
          secondThread: files.secondThread,
          log,
          metrics: watch.metrics,
          tracer: watch.tracer,
          signal: ending,
          killSignal: killing,
          graceSeconds: options.grace,
        })
      } finally {
        await watch.stop()
        await client.close()
      }
    })

/** The owner of this home, when it is its own server that is served: on another one the same number is someone else. */
const ownerServed = async (home: string, url: string): Promise<string | null> => {
  const server = await readServer(home)
  return server && new URL(server.url).origin === new URL(url).origin ? readOwner(home) : null
}

/** By the environment for a pilot elsewhere, by the home's file on the server's own machine. */
const pilotToken = async (env: NodeJS.ProcessEnv, home: string, queue: string): Promise<string> => {
  const token = env.CULM_PILOT_TOKEN ?? (await readFile(pilotTokenFile(home, queue), 'utf8').catch(() => '')).trim()
  if (token === '') throw fault('unauthenticated', `no token for the queue ${queue}: set CULM_PILOT_TOKEN`)
  return token
}

/** The first signal drains, the second ends at once. */
const signals = (whileParentLives: boolean) => {
  const ending = new AbortController()
  const killing = new AbortController()
  const signalled = () => (ending.signal.aborted ? killing.abort() : ending.abort())
  process.on('SIGTERM', signalled)
  process.on('SIGINT', signalled)
  if (whileParentLives) process.stdin.on('end', () => ending.abort()).resume()
  return { ending: ending.signal, killing: killing.signal }
}
