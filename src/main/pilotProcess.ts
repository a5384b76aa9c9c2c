import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../lib/fault.ts'
import { files } from './files.ts'
import { type Kept, type Supervised, supervise } from './supervise.ts'

/** What the pilot need not know, its payloads cannot find in its environment. */
const credentials = ['DATABASE_URL', 'PGPASSWORD', 'CULM_TOKEN', 'CULM_PILOT_TOKEN', 'CULM_SECRET_KEYS']

const withoutCredentials = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([key]) => !credentials.includes(key)))

/**
 * A pilot of short jobs holds some thousand of them at a time. With Node's own 16 MB for young objects each of its clean-ups copies all that is known of them: a fifth of
 * what the pilot did (measured).
 */
const roomForYoung = '--max-semi-space-size=64'

export type PilotOptions = {
  home: string
  slots?: number
  gpus?: number
  traces?: string
  logLevel?: string
  isolation?: boolean
  env: NodeJS.ProcessEnv
}

/** Keeps the pilot of the local queue running: what it had when it was killed (for want of memory, say) runs again at its next self. `say` tells the user. */
export const keepLocalPilot = (options: PilotOptions, say: (words: string) => void): Supervised =>
  supervise(startPilotProcess(options), async () => startPilotProcess(options), {
    endedByItself: (how) =>
      say(`the local pilot ended (${how}) and is started again; see pilot.log in the logs folder`),
    notStarted: (error) => say(`the local pilot could not be started again: ${messageOf(error)}`),
    leftAlone: (how, times) =>
      new Error(`the local pilot ended ${times} times in a row (${how}); see pilot.log in the logs folder`),
  })

/**
 * In a process of its own, so that no payload and no busy pilot slows the server. It has a process group of its own too: Ctrl-C reaches
 * it by us, in order. When we die without a word its standard input ends, and it ends what it runs.
 */
const startPilotProcess = ({ home, slots, gpus, traces, logLevel, isolation = true, env }: PilotOptions): Kept => {
  const log = openSync(join(home, 'logs', 'pilot.log'), 'a', 0o600)
  const args = [
    files.cli,
    'pilot',
    '--queue',
    'local',
    '--while-parent-lives',
    ...(slots ? ['--slots', String(slots)] : []),
    ...(gpus === undefined ? [] : ['--gpus', String(gpus)]),
    ...(isolation ? [] : ['--no-isolation']),
    ...(traces ? ['--traces', traces] : []),
    ...(logLevel ? ['--log-level', logLevel] : []),
  ]
  const child: ChildProcess = spawn(process.execPath, ['--enable-source-maps', roomForYoung, ...args], {
    detached: true,
    stdio: ['pipe', log, log],
    env: { ...withoutCredentials(env), CULM_HOME: home },
  })
  closeSync(log)
  return {
    pid: child.pid!,
    ended: once(child, 'exit').then(([code, signal]) => (signal ? `killed by ${signal}` : `exit code ${code}`)),
    stop: () => stopChild(child),
  }
}

/** So long it has for what it runs, ms. */
const graceMs = 10_000

const stopChild = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await ended
  clearTimeout(timer)
}
