import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as esbuild from 'esbuild'
import { makeClient } from '../../contract/client.ts'
import { type PilotOptions, runPilot } from '../pilot.ts'
import type { FakeServer } from './fakeServer.ts'

export type Built = { nodeRunner: string; secondThread: string; pythonPath: string; remove(): Promise<void> }

const source = (path: string) => new URL(`../${path}`, import.meta.url).pathname

/** Builds what a pilot starts from files, as the build of the package does. */
export const buildPilotParts = async (): Promise<Built> => {
  const folder = await mkdtemp(join(tmpdir(), 'culm-built-'))
  await esbuild.build({
    entryPoints: { runner: source('runner/node.ts'), thread: source('thread/thread.ts') },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    // undici is CommonJS and requires Node's own modules.
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  })
  return {
    nodeRunner: join(folder, 'runner.mjs'),
    secondThread: join(folder, 'thread.mjs'),
    pythonPath: new URL('../../../python', import.meta.url).pathname,
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

export type TestPilot = { folder: string; ended: Promise<void>; drain(): void; kill(): void; close(): Promise<void> }

/** Starts a pilot in this process, in a folder of its own. `close` ends it at once and removes the folder. */
export const startTestPilot = async (
  server: FakeServer,
  built: Built,
  options: Partial<PilotOptions> = {},
): Promise<TestPilot> => {
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
    ...{ nodeRunner: built.nodeRunner, secondThread: built.secondThread, pythonPath: built.pythonPath },
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
