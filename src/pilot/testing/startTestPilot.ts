import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeClient } from '../../contract/client.ts'
import { files } from '../../main/files.ts'
import { type PilotOptions, runPilot } from '../pilot.ts'
import type { FakeServer } from './fakeServer.ts'

export type TestPilot = { folder: string; ended: Promise<void>; drain(): void; kill(): void; close(): Promise<void> }

/** Starts a pilot in this process, in a folder of its own. `close` ends it at once and removes the folder. */
export const startTestPilot = async (server: FakeServer, options: Partial<PilotOptions> = {}): Promise<TestPilot> => {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'culm-pilot-')))
  const [drain, kill] = [new AbortController(), new AbortController()]
  const client = makeClient({ url: server.url, token: 'token-of-the-pilot', retrySeconds: 1 })
  const ended = runPilot({
    ...{
      client,
      token: 'token-of-the-pilot',
      name: 'test',
      queue: 'local',
      slots: 2,
      folder,
      host: 'test',
      version: '0',
      waitSeconds: 5,
    },
    ...{ nodeRunner: files.nodeRunner, secondThread: files.secondThread, pythonPath: files.pythonPath },
    environment: { PATH: process.env.PATH, HOME: process.env.HOME },
    signal: drain.signal,
    killSignal: kill.signal,
    ...options,
  })
  ended.catch(() => {})
  return {
    folder,
    ended,
    drain: () => drain.abort(),
    kill: () => kill.abort(),
    close: async () => {
      drain.abort()
      kill.abort()
      await ended.catch(() => {})
      await client.close()
      if (!options.folder) await rm(folder, { recursive: true, force: true })
    },
  }
}
