import type { Environment } from '../../contract/environments.ts'
import { behindShell, type Guard } from '../guard.ts'
import { inShell } from './shell.ts'

/** An environment that is ready: how programs are started in it. */
export type Surroundings = {
  /** Tells apart what must not share a process. */
  digest: string
  guard: Guard
  env: Record<string, string>
  /** The interpreters there. */
  python: string
  node: string
  /** Something is run after each job, so that a process has one job only. */
  endsWithJob: boolean
  /** The command that runs `command` there. */
  around(command: readonly string[]): string[]
}

export const surroundingsOf = (
  { initEnv, cleanEnv, postScript }: Environment,
  {
    guard,
    activation,
    ...rest
  }: Pick<Surroundings, 'digest' | 'guard' | 'env' | 'python' | 'node'> & { activation: string },
): Surroundings => {
  const isPlain = !initEnv && !cleanEnv && !postScript && activation === ''
  return {
    ...rest,
    guard: isPlain ? guard : behindShell(guard),
    endsWithJob: Boolean(cleanEnv || postScript),
    around: (command) => (isPlain ? [...command] : inShell(command, { initEnv, cleanEnv, postScript }, activation)),
  }
}

/** The variables that mean the same in an image: not those that name places of this machine. */
export const imageVariables = (
  env: Readonly<Record<string, string>>,
  kept: readonly string[],
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) =>
        /^(?:LANG|LANGUAGE|LC_\w+|TZ|OMP_NUM_THREADS|\w+_VISIBLE_DEVICES|\w+_proxy|\w+_PROXY)$/.test(name) ||
        kept.includes(name),
    ),
  )
