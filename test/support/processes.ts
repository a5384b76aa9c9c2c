import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { files } from '../../src/main/files.ts'
import { atEnd } from './atEnd.ts'
import { eventually } from './server.ts'

export type Running = {
  child: ChildProcess
  /** All that it has printed, both streams. */
  printed: () => string
  /** What of that went to standard output. */
  printedOut: () => string
  /** Waits until it has printed `text`. */
  says: (text: string | RegExp) => Promise<void>
  /** Its exit code; 128 + n for signal n is not used: a signal is null. */
  ended: Promise<number | null>
  kill: (signal: NodeJS.Signals) => Promise<number | null>
}

/** A folder that is removed when the test file has ended, after its processes. */
export const freshFolder = async (name = 'home'): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), `culm-${name}-`))
  atEnd(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** An environment of nothing but what a shell needs, and `more`. */
export const bareEnv = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: more.CULM_HOME ?? tmpdir(),
  LANG: 'C.UTF-8',
  ...more,
})

export const run = (command: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string): Running => {
  const child = spawn(command, args, { env: bareEnv(env), cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let standard = ''
  child.stdout!.on('data', (chunk) => {
    out += chunk
    standard += chunk
  })
  child.stderr!.on('data', (chunk) => {
    out += chunk
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const kill = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return ended
  }
  atEnd(async () => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await kill('SIGINT')
    clearTimeout(timer)
  })
  return {
    child,
    printed: () => out,
    printedOut: () => standard,
    says: async (text) => {
      await eventually(
        async () =>
          (typeof text === 'string' ? out.includes(text) : text.test(out)) ||
          (child.exitCode !== null && Promise.reject(new Error(`it ended with ${child.exitCode}: ${out}`))),
        `${text} in: ${out}`,
        30_000,
      )
    },
    ended,
    kill,
  }
}

export const culm = (args: string[], env: NodeJS.ProcessEnv): Running =>
  run(process.execPath, ['--enable-source-maps', files.cli, ...args], env)

export const readToken = async (home: string): Promise<string> =>
  (await readFile(path.join(home, 'token'), 'utf8')).trim()
