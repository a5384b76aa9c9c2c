import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Command } from 'commander'
import pc from 'picocolors'
import type { Client } from '../../contract/client.ts'
import { type FaultCode, faults } from '../../contract/faults.ts'
import { isFault, messageOf } from '../../lib/fault.ts'
import { files, version } from '../files.ts'
import { prepareHome, resolveHome } from '../home.ts'
import { findRunning } from '../homeServer.ts'
import { tokenFile } from '../tokens.ts'

type Finding = { what: string; ok: boolean; says: string; help: string | null }
type Check = { what: string; look: () => Promise<string> }

/** `culm doctor`: looks at everything that can be wrong on this machine, and says what helps. Exit code 1 when something is. */
export const doctorCommand = (env: NodeJS.ProcessEnv): Command =>
  new Command('doctor')
    .description('look for what is wrong here, and say what helps')
    .action(async (_options, command: Command) => {
      const findings: Finding[] = []
      for (const check of checks(env)) findings.push(await lookAt(check))
      if (command.optsWithGlobals().json) console.log(JSON.stringify({ ok: findings.every((f) => f.ok), findings }))
      else for (const finding of findings) console.log(lineOf(finding))
      if (findings.some((f) => !f.ok)) process.exitCode = 1
    })

const checks = (env: NodeJS.ProcessEnv): Check[] => {
  const home = resolveHome(env)
  return [
    { what: 'node', look: async () => nodeVersion() },
    { what: 'package', look: async () => builtFiles() },
    { what: 'home', look: () => prepareHome(home, { version }).then(() => `${home} is fit for use`) },
    { what: 'disk', look: () => freeSpace(home) },
    { what: 'server', look: () => runningServer(home) },
    {
      what: 'database',
      look: () =>
        asked(home, async (client) =>
          (await client.call('ready', { retrySeconds: 0 })).ok ? 'it answers' : 'it does not answer',
        ),
    },
    { what: 'token', look: () => asked(home, async (client) => `you are ${(await client.call('me')).name}`) },
    { what: 'pilots', look: () => asked(home, pilotsOnline) },
    { what: 'python', look: pythonVersion },
  ]
}

const lookAt = async ({ what, look }: Check): Promise<Finding> => {
  try {
    return { what, ok: true, says: await look(), help: null }
  } catch (error) {
    const help =
      isFault(error) && error.code in faults
        ? faults[error.code as FaultCode].help
        : ((error as { help?: string }).help ?? null)
    return { what, ok: false, says: messageOf(error), help }
  }
}

const lineOf = ({ what, ok, says, help }: Finding): string =>
  `${ok ? pc.green('✓') : pc.red('✗')} ${what.padEnd(9)} ${says}${help ? `\n            ${pc.dim(help)}` : ''}`

const wrong = (message: string, help: string): Error => Object.assign(new Error(message), { help })

const nodeVersion = (): string => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    throw wrong(`Node ${process.versions.node}`, 'Culm needs Node 20.19 or later')
  return `Node ${process.versions.node}`
}

const builtFiles = (): string => {
  const missing = [files.nodeRunner, files.secondThread, files.monitor, files.pythonPath].filter(
    (file) => !existsSync(file),
  )
  if (missing.length > 0)
    throw wrong(`missing: ${missing.join(', ')}`, 'reinstall the package, or npm run build in a clone')
  return `Culm ${version}`
}

const freeSpace = async (home: string): Promise<string> => {
  const { bavail, bsize } = await statfs(home)
  const gb = (bavail * bsize) / 1e9
  if (gb < 1) throw wrong(`${gb.toFixed(2)} GB free`, 'free some space, or set CULM_HOME to another disk')
  return `${gb.toFixed(0)} GB free`
}

const runningServer = async (home: string): Promise<string> => {
  const server = await findRunning(home)
  if (!server) throw wrong('no server of this home runs', 'culm up')
  return `${server.url} (pid ${server.pid}, since ${server.startedAt})`
}

const asked = async (home: string, ask: (client: Client) => Promise<string>): Promise<string> => {
  const server = await findRunning(home)
  if (!server) throw wrong('not asked: no server runs', 'culm up')
  const token = (await readFile(tokenFile(home), 'utf8').catch(() => '')).trim()
  const { makeClient } = await import('../../contract/client.ts')
  const client = makeClient({ url: server.url, token, retrySeconds: 2 })
  return ask(client).finally(() => client.close())
}

const pilotsOnline = async (client: Client): Promise<string> => {
  const online = (await client.call('listPilots', {})).items.filter((p) => p.state === 'online')
  if (online.length === 0) throw wrong('none is online', 'culm up brings one; culm pilot starts another')
  return online.map((p) => `${p.name} on ${p.queue}: ${p.jobs} jobs, ${p.slots} slots`).join('; ')
}

const pythonVersion = async (): Promise<string> => {
  try {
    const { stdout } = await promisify(execFile)('python3', [
      '-c',
      'import sys; print(sys.version.split()[0], sys.executable)',
    ])
    const [major = 0, minor = 0] = stdout.split('.').map(Number)
    if (major === 3 && minor >= 9) return `Python ${stdout.trim()}`
    throw wrong(`Python ${stdout.trim()}`, 'works in Python need 3.9 or later')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw wrong('python3 is not on the path', 'only works in Python need it')
  }
}
