import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { availableParallelism, hostname, totalmem } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { fault } from '../../contract/faults.ts'
import { files, version } from '../files.ts'
import { resolveHome } from '../home.ts'
import { readServer } from '../homeServer.ts'
import { pilotTokenFile } from '../tokens.ts'

type Options = {
  queue: string
  slots: number
  memory?: number
  folder?: string
  whileParentLives?: boolean
  grace: number
  server?: string
}

export const pilotCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('pilot')
    .description('serve a queue: claim jobs, run them, report')
    .option('--queue <name>', 'the queue to serve', 'local')
    .option('--slots <n>', 'cores to use at once', whole, availableParallelism())
    .option('--memory <MB>', 'memory that limits of jobs may add up to', whole)
    .option('--folder <path>', 'where caches and working directories lie')
    .option('--grace <seconds>', 'how long running jobs may go on after SIGTERM', whole, 30)
    .option('--while-parent-lives', 'end when standard input ends')
    .action(async (options: Options, command: Command) => {
      const [{ makeClient }, { pilotName, runPilot }, { stderrLog }] = await Promise.all([
        import('../../contract/client.ts'),
        import('../../pilot/index.ts'),
        import('../log.ts'),
      ])
      const home = resolveHome(env)
      const url = command.optsWithGlobals().server ?? env.CULM_SERVER ?? (await readServer(home))?.url
      if (!url) throw fault('server_unknown')
      const token = await pilotToken(env, home, options.queue)
      const { ending, killing } = signals(options.whileParentLives === true)
      const folder = options.folder ?? join(home, 'pilot', options.queue)
      const client = makeClient({ url, token, retrySeconds: 3600 })
      await runPilot({
        client,
        token,
        name: await pilotName(folder, randomBytes(6).toString('hex')),
        queue: options.queue,
        slots: options.slots,
        memoryMb: options.memory ?? Math.floor(totalmem() / 1e6),
        folder,
        host: hostname(),
        version,
        environment: env,
        pythonPath: files.pythonPath,
        nodeRunner: files.nodeRunner,
        secondThread: files.secondThread,
        log: stderrLog(),
        signal: ending,
        killSignal: killing,
        graceSeconds: options.grace,
      })
      await client.close()
    })

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

export const whole = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a whole number above 0')
  return Number(text)
}
