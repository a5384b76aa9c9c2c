import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { eventually, startTestServer, type TestServer } from '../../test/support/server.ts'
import { type Manifest, manifestText } from '../contract/blobs.ts'
import type { Job } from '../contract/jobs.ts'
import type { NewTask, Payload } from '../contract/tasks.ts'
import { sha256 } from '../lib/digest.ts'
import type { Id } from '../lib/ids.ts'
import { files } from '../main/files.ts'
import { defaultLimits } from '../services/engine/engine.ts'
import { runPilot } from './pilot.ts'

let server: TestServer
let workflowId: Id<'w'>
const stops: (() => Promise<void>)[] = []

beforeAll(async () => {
  server = await startTestServer({ limits: { ...defaultLimits, renewSeconds: 1, leaseSeconds: 10 } })
  const started = await server.user.call('createWorkflow', { body: { name: 'test', kind: 'tasks' }, key: 'w' })
  workflowId = started.workflowId
})
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

/** Starts a pilot of the server's queue; `stop` ends it at once, `drain` in order. */
const startPilot = async ({ name = 'pilot', slots = 2 } = {}) => {
  const folder = await mkdtemp(join(tmpdir(), 'culm-pilot-'))
  const [end, kill] = [new AbortController(), new AbortController()]
  const { pythonPath, nodeRunner, secondThread } = files
  const parts = { pythonPath, nodeRunner, secondThread, environment: { PATH: process.env.PATH } }
  const who = {
    client: server.pilot,
    token: server.pilotToken,
    name,
    queue: 'local',
    slots,
    host: 'test',
    version: '0',
  }
  const ended = runPilot({ ...who, ...parts, folder, signal: end.signal, killSignal: kill.signal })
  const stop = async () => {
    end.abort()
    kill.abort()
    await ended.catch(() => {}) // a replaced one
    await rm(folder, { recursive: true, force: true })
  }
  stops.push(stop)
  return { stop, drain: () => end.abort(), ended }
}

const bundle = async (language: Manifest['language'], sources: Record<string, string>): Promise<string> => {
  const entries = Object.entries(sources).map(([path, text]) => ({
    path,
    hash: sha256(text),
    bytes: Buffer.byteLength(text),
  }))
  const body: Manifest = { version: 1, language, files: entries }
  const { missing } = await server.user.call('createBundle', { body })
  for (const { hash, url } of missing) {
    const { path } = entries.find((entry) => entry.hash === hash)!
    await server.user.put(url, Buffer.from(sources[path]!))
  }
  await server.user.call('createBundle', { body })
  return sha256(manifestText(body))
}

let tasks = 0
const submit = async (payload: Payload, jobs: unknown[][] = [[]], needs: Partial<NewTask> = {}): Promise<Id<'j'>[]> => {
  const body = {
    workflowId,
    name: 'test',
    payload,
    jobs: jobs.map((a) => ({ args: { text: JSON.stringify({ a }) } })),
    ...needs,
  }
  const { firstJobId } = await server.user.call('submitTask', { body, key: `t${++tasks}` })
  const first = Number(firstJobId!.slice(1))
  return jobs.map((_, i) => `j${first + i}` as const)
}

const jobIn = (id: Id<'j'>, ...states: Job['state'][]): Promise<Job> =>
  eventually(async () => {
    const job = await server.user.call('getJob', { params: { id } })
    return states.includes(job.state) && job
  }, `${id} in ${states}`)

const ended = (id: Id<'j'>): Promise<Job> => jobIn(id, 'finished', 'failed', 'cancelled')

test('functions of Node and of Python run, and give back values of any size', async () => {
  await startPilot()
  const node = await bundle('node', { 'm.mjs': 'export const f = (n, text) => text.repeat(n)' })
  const python = await bundle('python', { 'm.py': 'def f(n, text):\n    return text * n\n' })
  const payloads: Payload[] = [
    { kind: 'function', bundle: node, module: 'm.mjs', export: 'f', language: 'node' },
    { kind: 'function', bundle: python, module: 'm', export: 'f', language: 'python' },
  ]
  for (const payload of payloads) {
    const [small, large] = await submit(payload, [
      [3, 'ab'],
      [2_000_000, 'x'],
    ])
    expect((await ended(small!)).value).toEqual({ text: '"ababab"' })
    const { value } = await ended(large!)
    const { blob, bytes } = value as { blob: string; bytes: number }
    expect(bytes).toBe(2_000_002)
    const { url } = await server.user.call('getBlob', { params: { hash: blob }, query: { workflowId } })
    expect((await server.user.get(url)).length).toBe(bytes)
  }
})

test('a failure comes with its cause, its trace and its use of the machine; output is kept', async () => {
  await startPilot()
  const python = await bundle('python', {
    'm.py': 'import sys\ndef f():\n    print("a word", file=sys.stderr)\n    raise ValueError("no")\n',
  })
  const [failing] = await submit({ kind: 'function', bundle: python, module: 'm', export: 'f', language: 'python' })
  const [command] = await submit({ kind: 'command', command: ['sh', '-c', 'echo $CULM_JOB; exit 4'] })
  const job = await ended(failing!)
  expect(job).toMatchObject({ state: 'failed', cause: 'user', error: { type: 'ValueError', message: 'no' } })
  expect(job.error!.stack).toContain('m.py')
  expect(job.attempts[0]).toMatchObject({
    end: 'failed',
    host: 'test',
    usage: { wallSeconds: expect.any(Number), maxRssMb: expect.any(Number) },
  })
  expect(await ended(command!)).toMatchObject({ state: 'failed', attempts: [{ exitCode: 4 }] })
  const words = await eventually(async () => {
    const pages = await Promise.all([failing!, command!].map((id) => server.user.call('jobLog', { params: { id } })))
    const texts = pages.map(({ items }) => items.map(({ text }) => text).join(''))
    return texts.every((text) => text !== '') && texts
  }, 'output of both jobs')
  expect(words).toEqual(['a word\n', `${command}\n`])
})

test('a running job is cancelled, and one over its limit is ended with its figures', async () => {
  await startPilot()
  const hog = 'const a = []; setInterval(() => a.push(Buffer.alloc(20e6, 1)), 10)'
  const [greedy] = await submit({ kind: 'command', command: [process.execPath, '-e', hog] }, [[]], {
    memoryMb: 200,
    attempts: { user: 1, site: 1, lost: 1 },
  })
  const [sleeping] = await submit({ kind: 'command', command: ['sleep', '1000'] })
  await jobIn(sleeping!, 'running')
  await server.user.call('cancelJob', { params: { id: sleeping! }, body: {} })
  expect((await ended(sleeping!)).state).toBe('cancelled')
  const { attempts } = await eventually(async () => {
    const job = await server.user.call('getJob', { params: { id: greedy! } })
    return job.attempts[0]?.end ? job : undefined
  }, 'the end of its first attempt')
  expect(attempts[0]).toMatchObject({
    end: 'failed',
    cause: 'memory',
    error: { message: expect.stringContaining('limit is 200 MB') },
  })
  expect(attempts[0]!.usage!.maxRssMb).toBeGreaterThan(200)
})

test('a job that went over its memory runs again with twice as much, and may use that', async () => {
  await startPilot()
  const hungry = 'const a = Buffer.alloc(250e6, 1); setTimeout(() => console.log(a.length), 500)'
  const [id] = await submit({ kind: 'command', command: [process.execPath, '-e', hungry] }, [[]], {
    memoryMb: 200,
    attempts: { user: 1, site: 1, lost: 1, memory: 2 },
  })
  const { attempts, memoryMb, ...job } = await ended(id!)
  expect([job.state, memoryMb, ...attempts.map(({ cause }) => cause)]).toEqual(['finished', 400, 'memory', null])
})

test('what a draining pilot gives back is run by another, its attempt not counted as an error', async () => {
  const first = await startPilot({ name: 'first', slots: 1 })
  const [id] = await submit({ kind: 'command', command: ['sh', '-c', 'test $CULM_ATTEMPT != 1 || sleep 1000'] })
  await jobIn(id!, 'running')
  const second = await startPilot({ name: 'second', slots: 1 })
  await first.stop()
  const job = await ended(id!)
  expect(job).toMatchObject({
    state: 'finished',
    attempts: [
      { attempt: 1, end: 'returned' },
      { attempt: 2, end: 'finished' },
    ],
  })
  await second.stop()
})

test('a second start of a pilot takes over, and the first ends', async () => {
  const first = await startPilot({ name: 'same', slots: 1 })
  const [id] = await submit({ kind: 'command', command: ['sh', '-c', 'test $CULM_ATTEMPT != 1 || sleep 1000'] })
  await jobIn(id!, 'running')
  const replaced = expect(first.ended).rejects.toMatchObject({ code: 'pilot_replaced' })
  await startPilot({ name: 'same', slots: 1 })
  expect(await ended(id!)).toMatchObject({ state: 'finished', attempts: [{ end: 'lost' }, { end: 'finished' }] })
  await replaced
})
