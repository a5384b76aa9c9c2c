import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fault } from '../contract/faults.ts'
import { currentRuntime } from './runtime.ts'

export type Server = { url: string; token: string | null }

/** The server for calls made here: the job's, that of who loaded this program, or the one that is found. */
export const currentServer = async (): Promise<Server> => {
  const { serverUrl, token = null, job } = currentRuntime() ?? {}
  return serverUrl ? { url: serverUrl, token: job?.token ?? token } : discoverServer()
}

/**
 * The server that this user's programs speak to: `CULM_SERVER` with `CULM_TOKEN`, else the one that runs in
 * `CULM_HOME` (`~/.culm`), else the one of `culm login`. This is the one place of the SDK that reads the environment.
 * @throws `server_unknown` with the command that starts one.
 */
export const discoverServer = async (env: NodeJS.ProcessEnv = process.env): Promise<Server> => {
  const home = homeOf(env)
  const [local, login] = await Promise.all([localServer(home), loginIn(home)])
  const url = env.CULM_SERVER || (local && isAlive(local.pid) ? local.url : login?.url)
  if (url) return { url, token: env.CULM_TOKEN || (await tokenFor(url, home, local, login)) }
  const why = local ? `the server of ${home} does not run any more` : `there is no server in ${home}`
  const culm = env.CULM_COMMAND || 'npx culm'
  throw fault('server_unknown', `${why}: start one with \`${culm} up\`, or set CULM_SERVER and CULM_TOKEN`)
}

/** Makes a server the one that this user's programs speak to, in a file for him alone. @returns its path. */
export const keepLogin = async (server: Server, env: NodeJS.ProcessEnv = process.env): Promise<string> => {
  const home = homeOf(env)
  await mkdir(home, { recursive: true, mode: 0o700 })
  const draft = `${loginFile(home)}.${process.pid}`
  await writeFile(draft, JSON.stringify(server), { mode: 0o600 })
  await rename(draft, loginFile(home))
  return loginFile(home)
}

/** What the last `culm login` has kept. */
export const knownLogin = (env: NodeJS.ProcessEnv = process.env): Promise<Server | undefined> => loginIn(homeOf(env))

/** The address of the server that runs in the home. */
export const runningHere = async (env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> => {
  const local = await localServer(homeOf(env))
  return local && isAlive(local.pid) ? local.url : undefined
}

/** The program that this process is a start of. */
export type Run = { id: string; program: string; acceptCode: boolean; replaySeconds?: number }

/**
 * `CULM_RUN` names the program, so that it continues what an earlier start of it had begun; without it this is the first. `CULM_ACCEPT_CODE=1` continues
 * though the source was changed; `CULM_REPLAY_SECONDS` is `replaySeconds` of `workflow`. What this process starts is another program, so that these are taken out
 * of the environment.
 */
export const currentRun = (env: NodeJS.ProcessEnv = process.env): Run => {
  run ??= { ...runOf(env), ...currentRuntime()?.run }
  for (const name of runVariables) delete env[name]
  return run
}
let run: Run | undefined

const runVariables = ['CULM_RUN', 'CULM_ACCEPT_CODE', 'CULM_REPLAY_SECONDS']

const runOf = (env: NodeJS.ProcessEnv): Run => {
  const id = env.CULM_RUN || randomUUID()
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id))
    throw fault(
      'invalid_input',
      `CULM_RUN is "${id}", which is no id of a run: \`culm show w12\` tells that of a workflow`,
    )
  const seconds = Number(env.CULM_REPLAY_SECONDS)
  return {
    id,
    program: basename(process.argv[1] ?? 'session') || 'session',
    acceptCode: env.CULM_ACCEPT_CODE === '1',
    ...(seconds > 0 ? { replaySeconds: seconds } : {}),
  }
}

/** As `culm up` finds it: a leading `~/`, which files of variables keep as it is, means HOME. */
const homeOf = (env: NodeJS.ProcessEnv): string => {
  const userHome = env.HOME || homedir()
  return resolve((env.CULM_HOME || join(userHome, '.culm')).replace(/^~(?=\/|$)/, userHome))
}

type LocalServer = { url: string; pid: number | undefined }

const localServer = async (home: string): Promise<LocalServer | undefined> => {
  const { url, pid } = await recordIn(join(home, 'server.json'))
  return typeof url === 'string' ? { url, pid: pid as number | undefined } : undefined
}

const loginIn = async (home: string): Promise<Server | undefined> => {
  const { url, token } = await recordIn(loginFile(home))
  return typeof url === 'string' ? { url, token: typeof token === 'string' ? token : null } : undefined
}

const loginFile = (home: string): string => join(home, 'login.json')

/** What is broken is as good as missing. */
const recordIn = async (path: string): Promise<Record<string, unknown>> => {
  try {
    return { ...JSON.parse(await readFile(path, 'utf8')) }
  } catch {
    return {}
  }
}

/** A token that lies in a home is for the server that it is of, and is shown to no other. */
const tokenFor = async (
  url: string,
  home: string,
  local: LocalServer | undefined,
  login: Server | undefined,
): Promise<string | null> => {
  const isMeant = (known: string) => new URL(known).origin === new URL(url).origin
  if (!local || !isMeant(local.url)) return login && isMeant(login.url) ? login.token : null
  return readFile(join(home, 'token'), 'utf8').then(
    (text) => text.trim(),
    () => null,
  )
}

/** EPERM is an answer of somebody: the process of another user. */
const isAlive = (pid: number | undefined): boolean => {
  if (pid === undefined) return true
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
