import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Report } from '../../contract/pilots.ts'
import type { Payload } from '../../contract/tasks.ts'
import type { PilotOptions } from '../pilot.ts'
import { readProc } from '../processTable.ts'
import { FakeServer } from './fakeServer.ts'
import { startTestPilot, type TestPilot } from './startTestPilot.ts'

/** For each test a fake server, an empty folder, and pilots that end with it. Read the fields inside of a test. */
export const pilotFixture = () => {
  const fixture = {
    server: new FakeServer(),
    scratch: '',
    /** Starts a pilot in this process. */
    start: async (options: Partial<PilotOptions> = {}): Promise<TestPilot> => {
      const pilot = await startTestPilot(fixture.server, options)
      pilots.push(pilot)
      return pilot
    },
    /** A function `f` with this body, in a bundle of its own. */
    work: (body: string): Payload => ({
      kind: 'function',
      bundle: fixture.server.bundle({ 'm.mjs': moduleWith(body) }),
      module: 'm.mjs',
      export: 'f',
      language: 'node',
    }),
  }
  const pilots: TestPilot[] = []
  beforeEach(async () => {
    fixture.scratch = await mkdtemp(join(tmpdir(), 'culm-scratch-'))
    fixture.server = await new FakeServer().start()
  })
  afterEach(async () => {
    await Promise.all(pilots.splice(0).map((pilot) => pilot.close()))
    await fixture.server.stop()
    await rm(fixture.scratch, { recursive: true, force: true })
  })
  return fixture
}

const moduleWith = (body: string): string => `
  import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
  import { spawn } from 'node:child_process'
  const fileAt = async (path) => { while (!existsSync(path)) await new Promise((r) => setTimeout(r, 5)) }
  const runtime = () => globalThis[Symbol.for('culm.runtime')]
  export const f = async (...args) => { ${body} }`

export const command = (...words: string[]): Payload => ({ kind: 'command', command: words })

export const valueIn = (report: Report): unknown => {
  expect(report).toMatchObject({ what: 'finished' })
  return JSON.parse((report.value as { text: string }).text)
}

/** Waits for something that the server cannot see. */
export const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Whether a process is there, and not merely waiting to be reaped. */
export const lives = (pid: number): boolean => readProc(pid, 'status')?.match(/^State:\s+[^ZX]/m) != null
