import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { outputOf } from './support.ts'

/** The environment of the peers that come from PyPI, and what they are pinned to. */
const home = path.resolve('.cache/peers')
export const peerPython = path.join(home, 'bin/python')
const pins = 'bench/peers/requirements.txt'

/** For a program of a peer: Parsl looks on the path for programs of its own. */
export const peerEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  PATH: `${path.dirname(peerPython)}:${env.PATH}`,
})

/** Installs packages, each for one system. Those that cannot be had here, and why. Where everything is there already it takes some seconds. */
export const installPeers = async <Key extends string>(
  packages: readonly (readonly [Key, string])[],
): Promise<Map<Key, string>> => {
  const isFirst = !existsSync(peerPython)
  if (isFirst) await outputOf('python3', ['-m', 'venv', home], process.env)
  const missing = new Map<Key, string>()
  for (const [key, name] of packages) {
    if (isFirst) console.error(`installing ${name} from PyPI, once …`)
    await pip('install', '--quiet', '--constraint', pins, name).catch((error: { stderr: string }) =>
      missing.set(key, reasonOf(error.stderr)),
    )
  }
  return missing
}

const pip = (...args: string[]) =>
  promisify(execFile)(peerPython, ['-m', 'pip', '--disable-pip-version-check', ...args])

/** Its first error, without the list of all versions that there are. */
const reasonOf = (said: string): string =>
  (/^ERROR: (.*)$/m.exec(said)?.[1] ?? said.trim()).replace(/ \(from versions:.*/, '')
