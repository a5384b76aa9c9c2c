import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Command } from 'commander'
import pc from 'picocolors'
import { messageOf } from '../../lib/fault.ts'
import { files } from '../files.ts'
import { resolveHome } from '../home.ts'
import { chooseIsolation, readOwner } from '../isolation.ts'
import type { LocalServer } from '../localServer.ts'
import { keepLocalPilot } from '../pilotProcess.ts'
import { openSecretKeys } from '../secretKeys.ts'
import { tokenFile } from '../tokens.ts'
import { gpusOption, logLevelOption, tracesOption, whole } from './options.ts'

type Options = {
  run?: string
  once?: boolean
  port?: number
  slots?: number
  gpus?: number
  pilot: boolean
  isolation: boolean
  traces?: string
  logLevel?: string
}

export const upCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('up')
    .description('run everything on this machine: database, server, agents, and a queue with its pilot')
    .option('--run <file>', 'run this file once all is up')
    .option('--once', 'end when that has ended, with its exit code')
    .option('--port <n>', 'port of the server (the last one, or any free one)', whole)
    .option('--slots <n>', 'cores of the local queue', whole)
    .addOption(gpusOption())
    .option('--no-pilot', 'no local pilot')
    .option('--no-isolation', 'payloads of all owners share your user and all your files')
    .addOption(tracesOption())
    .addOption(logLevelOption())
    .action(async (options: Options) => {
      // Only here: the server's packages take longer to load than most commands run.
      const { startLocal } = await import('../localServer.ts')
      const home = resolveHome(env)
      const say = (line: string) => console.error(pc.dim(line))
      const ending = endOnSignal()
      const started = await startLocal({
        home,
        log: await serverLog(home, env, options.logLevel),
        env,
        traces: options.traces,
        port: options.port,
        databaseUrl: env.DATABASE_URL,
        secretKeys: openSecretKeys(home, env),
        say,
      })
      const url = started.server.url
      const link = `${url}/#token=${(await readFile(tokenFile(home), 'utf8')).trim()}`
      if (started.kind === 'running') console.error(`Culm runs already: ${pc.bold(link)}`)
      else console.error(`Culm is up: ${pc.bold(link)}`)
      if (started.kind === 'mine' && options.pilot) void sayWhatLacks(home, env, options.isolation, say)
      if (started.kind === 'mine') await withOwn(started.server, { home, env, options, ending, link })
      else process.exitCode = await runFile(env, home, options.run, ending)
    })

/** Beside the start of the pilot, which looks for itself and has it in its log. */
const sayWhatLacks = async (home: string, env: NodeJS.ProcessEnv, wanted: boolean, say: (line: string) => void) => {
  const { lacks } = await chooseIsolation({ home, env, own: await readOwner(home), wanted })
  if (lacks) say(lacks)
}

/** The home is made first: a logger that makes the folder of its file would leave it open to others. */
const serverLog = async (home: string, env: NodeJS.ProcessEnv, level: string | undefined) => {
  await mkdir(home, { recursive: true, mode: 0o700 }).catch(() => {}) // what is wrong with it is told by who prepares it
  const { fileLog, logLevel } = await import('../log.ts')
  return fileLog(home, 'server', logLevel(env, level))
}

/** We started it, so we keep it: run the file, serve until told to end, and end everything in order. */
const withOwn = async (
  server: LocalServer,
  {
    home,
    env,
    options,
    ending,
    link,
  }: { home: string; env: NodeJS.ProcessEnv; options: Options; ending: AbortSignal; link: string },
) => {
  const tell = (words: string) => console.error(pc.red(words))
  const pilot = options.pilot ? keepLocalPilot({ home, ...options, env }, tell) : undefined
  try {
    const code = await runFile(env, home, options.run, ending)
    if (options.once) {
      process.exitCode = code
      return
    }
    if (!ending.aborted) sayNext(link, options.run !== undefined, env.CULM_COMMAND ?? 'npx culm')
    const why = await Promise.race([
      aborted(ending),
      server.failed.then(() => 'the database failed; see the logs'),
      pilot?.failed.then(messageOf) ?? new Promise<never>(() => {}),
    ])
    if (why) {
      tell(why)
      process.exitCode = 1
    }
  } finally {
    await pilot?.stop()
    await server.stop()
  }
}

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) =>
    signal.aborted ? resolve(undefined) : signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )

const endOnSignal = (): AbortSignal => {
  const ending = new AbortController()
  process.on('SIGINT', () => ending.abort())
  process.on('SIGTERM', () => ending.abort())
  return ending.signal
}

/** As a user would: `culm run FILE`, in a process of its own. Ctrl-C reaches it from the terminal. */
const runFile = async (
  env: NodeJS.ProcessEnv,
  home: string,
  file: string | undefined,
  ending: AbortSignal,
): Promise<number> => {
  if (!file || ending.aborted) return 0
  const child = spawn(process.execPath, ['--enable-source-maps', files.cli, 'run', file], {
    stdio: 'inherit',
    env: { ...env, CULM_HOME: home },
  })
  ending.addEventListener('abort', () => child.kill('SIGINT'), { once: true })
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  return code ?? (signal ? 130 : 1)
}

/** `culm` is how it is called here: the command line in Python says so of itself. */
const sayNext = (link: string, ran: boolean, culm: string) => {
  const example = existsSync(path.join(files.root, 'examples')) ? ['run examples/hello/hello.ts'] : []
  console.error(`
${ran ? 'It all stays here and goes on serving.' : 'It serves.'} What to try next:
  ${pc.bold(link)}   the page
  ${pc.bold(`${culm} ls`)}                     your workflows
  ${pc.bold(`${culm} submit -- echo hello`)}   a command
${example.map((words) => `  ${pc.bold(`${culm} ${words}`)}\n`).join('')}Ctrl-C ends it; the next start finds everything again.`)
}
