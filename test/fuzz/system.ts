import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { files } from '../../src/main/files.ts'
import { pilotTokenFile, tokenFile } from '../../src/main/tokens.ts'

export type System = {
  /** A folder of its own for everything, removed with it. */
  folder: string
  url: string
  databaseUrl: string
  userToken: string
  pilotToken: string
  /** The pilot has ended and the last counters are folded: nothing moves any more but by request. */
  stopPilot: () => Promise<void>
  /** What the server wrote into its log about requests that it failed to answer. */
  errors: () => Promise<string[]>
  stop: () => Promise<void>
}

/** Programs that invented commands may find: nothing that could harm the machine. */
const programs = ['true', 'false', 'echo', 'sleep']

/** A whole Culm in processes of its own: embedded PostgreSQL, server and agents in one, a pilot in another. */
export const startSystem = async (): Promise<System> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-fuzz-'))
  const home = path.join(folder, 'home')
  const env = { PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8', CULM_HOME: home }
  const up = culm(['up', '--no-pilot'], env)
  await said(up, 'Culm is up')
  const { url, databaseUrl } = JSON.parse(await readFile(path.join(home, 'server.json'), 'utf8'))
  const pilot = culm(['pilot', '--slots', '2', '--grace', '1'], { ...env, PATH: await onlyPrograms(folder) })
  const read = async (file: string) => (await readFile(file, 'utf8')).trim()
  return {
    folder,
    url,
    databaseUrl,
    userToken: await read(tokenFile(home)),
    pilotToken: await read(pilotTokenFile(home, 'local')),
    errors: async () =>
      (await read(path.join(home, 'logs', 'server.log')))
        .split('\n')
        .filter((line) => line.includes('a request failed')),
    stopPilot: () => ended(pilot),
    stop: async () => {
      await ended(pilot)
      await ended(up)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const culm = (args: string[], env: NodeJS.ProcessEnv): ChildProcess =>
  spawn(process.execPath, ['--enable-source-maps', files.cli, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })

/** Waits, a minute at most, until the process has written `text` to its standard error. */
const said = async (child: ChildProcess, text: string): Promise<void> => {
  let all = ''
  child.stderr!.on('data', (chunk) => {
    all += chunk
  })
  const until = performance.now() + 60_000
  while (!all.includes(text)) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`it did not say "${text}": ${all}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  await exit
}

const onlyPrograms = async (folder: string): Promise<string> => {
  const bin = path.join(folder, 'bin')
  await mkdir(bin)
  for (const program of programs) await symlink(path.join('/bin', program), path.join(bin, program))
  return bin
}
