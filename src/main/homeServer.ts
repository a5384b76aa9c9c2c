import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeAtomically } from './atomicFile.ts'
import { isErrno } from './homeFault.ts'

const serverRecord = z.object({
  url: z.url(),
  pid: z.int().positive(),
  startedAt: z.iso.datetime(),
  version: z.string(),
  /** For other processes of this user, such as `culm agents`; it has a password in it, so the file is 0600. */
  databaseUrl: z.string().optional(),
})

/** What a server writes into its home when it can be spoken to. */
export type ServerRecord = z.infer<typeof serverRecord>

/** How long a server may take to say that it lives. */
const healthTimeoutMs = 1_000

export const writeServer = (home: string, server: ServerRecord): Promise<void> =>
  writeAtomically(recordPath(home), `${JSON.stringify(server, null, 2)}\n`)

/** The record in a home, or undefined when there is none that makes sense: what is broken is as good as missing. */
export const readServer = async (home: string): Promise<ServerRecord | undefined> => {
  try {
    return serverRecord.safeParse(JSON.parse(await readFile(recordPath(home), 'utf8'))).data
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'EISDIR', 'ENOTDIR')) return undefined
    throw error
  }
}

export const removeServer = (home: string): Promise<void> => rm(recordPath(home), { force: true })

/** The server of this home if it lives: its process is there, and its `/healthz` answers within a second. */
export const findRunning = async (home: string): Promise<ServerRecord | undefined> => {
  const server = await readServer(home)
  return server && isAlive(server.pid) && (await isHealthy(server.url)) ? server : undefined
}

const recordPath = (home: string): string => join(home, 'server.json')

/** Whether there is a process of this number; EPERM is an answer of somebody, too: the process of another user. */
export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return isErrno(error, 'EPERM')
  }
}

const isHealthy = async (url: string): Promise<boolean> => {
  try {
    const response = await fetch(new URL('/healthz', url), { signal: AbortSignal.timeout(healthTimeoutMs) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}
