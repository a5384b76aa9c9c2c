import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Cli } from './cli.ts'

/** The interpreter for a Python file that nobody named one for. */
export const interpreterOf = ({ world: { env } }: Cli): string => {
  const own = env.VIRTUAL_ENV && join(env.VIRTUAL_ENV, 'bin', 'python')
  return own && existsSync(own) ? own : 'python3'
}

/** There it finds our client without an installation, and the server that was named here; what it prints comes at once. */
export const pythonEnvironment = ({
  world: { env, pythonPath },
  options: { server, token },
}: Cli): NodeJS.ProcessEnv => ({
  ...env,
  PYTHONPATH: [pythonPath, env.PYTHONPATH].filter(Boolean).join(delimiter),
  PYTHONUNBUFFERED: '1',
  ...(server ? { CULM_SERVER: server } : {}),
  ...(token ? { CULM_TOKEN: token } : {}),
})
