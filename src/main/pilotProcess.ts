import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { files } from './files.ts'

/**
 * The pilot of the local queue, in a process of its own, so that no payload and no busy pilot slows the server. It has a process group of its own too: Ctrl-C reaches
 * it by us, in order. When we die without a word its standard input ends, and it ends what it runs.
 */
export const startPilotProcess = ({ home, slots, env }: { home: string; slots?: number; env: NodeJS.ProcessEnv }) => {
  const log = openSync(join(home, 'logs', 'pilot.log'), 'a', 0o600)
  const args = [
    files.cli,
    'pilot',
    '--queue',
    'local',
    '--while-parent-lives',
    ...(slots ? ['--slots', String(slots)] : []),
  ]
  const child: ChildProcess = spawn(process.execPath, ['--enable-source-maps', ...args], {
    detached: true,
    stdio: ['pipe', log, log],
    env: { ...env, CULM_HOME: home },
  })
  return {
    pid: child.pid,
    ended: once(child, 'exit').then(([code]) => code as number | null),
    stop: async (graceMs = 10_000) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}
