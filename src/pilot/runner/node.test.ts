import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Done, endMark, type Run, type ToRunner } from '../../contract/runner.ts'
import { files } from '../../main/files.ts'
import { makeLineReader } from '../lines.ts'

let folder: string
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-runner-'))
  await writeFile(
    join(folder, 'm.mjs'),
    `export const echo = (...args) => args
     export const large = (n) => 'x'.repeat(n)
     export const odd = () => ({ f() {} })
     export const never = () => new Promise(() => {})
     export const flood = () => { console.log('x'.repeat(3_000_000)); process.exit(5) }`,
  )
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** A runner as a pilot starts it: what it says on its channel, and what it prints. */
const startRunner = () => {
  const child = spawn(process.execPath, [files.nodeRunner], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  children.push(child)
  const channel = child.stdio[3] as Duplex
  const heard: (Done | { t: 'ready' })[] = []
  let printed = ''
  channel.on(
    'data',
    makeLineReader((line) => heard.push(JSON.parse(line))),
  )
  channel.on('error', () => {})
  child.stdout!.on('data', (chunk) => {
    printed += chunk
  })
  const say = (message: ToRunner) => channel.write(`${JSON.stringify(message)}\n`)
  say({ t: 'hello', bundleFolder: folder, serverUrl: 'http://127.0.0.1:1' })
  const run = async (what: Pick<Run, 'export'> & Partial<Run>): Promise<Done> => {
    const before = heard.filter(({ t }) => t === 'done').length
    const ids = { jobId: 'j1', taskId: 't1', workflowId: 'w1', index: 0, attempt: 1, bundle: 'b', token: 'k' }
    say({ t: 'run', ...ids, module: 'm.mjs', common: null, args: { text: '{}' }, folder, ...what })
    for (;;) {
      const done = heard.filter((message) => message.t === 'done')[before]
      if (done) return done as Done
      await once(channel, 'data')
    }
  }
  return { child, channel, run, say, heard, printed: () => printed }
}

test('arguments of the task come first, named ones are merged into a last object, and special values survive', async () => {
  const { run } = startRunner()
  const common = { text: '{"a":[1],"k":{"x":1,"y":1}}' }
  const args = { text: '{"a":[{"$culm":"float","v":"nan"}],"k":{"y":2}}' }
  const done = await run({ export: 'echo', common, args })
  expect(done).toMatchObject({ ok: true, attempt: 1 })
  const { text } = (done as { value: { text: string } }).value
  expect(JSON.parse(text)).toEqual([1, { $culm: 'float', v: 'NaN' }, { x: 1, y: 2 }])
  expect(done.usage).toMatchObject({ cpuSeconds: expect.any(Number), maxRssMb: expect.any(Number) })
})

test('arguments may come from a file, and a large result goes to one in the folder of the job', async () => {
  const { run } = startRunner()
  await writeFile(join(folder, 'args.json'), '{"a":[1200000]}')
  const done = await run({ export: 'large', args: { file: join(folder, 'args.json') } })
  const { file } = (done as { value: { file: string } }).value
  expect(file.startsWith(folder)).toBe(true)
  expect((await readFile(file, 'utf8')).length).toBe(1_200_002)
})

test('a value that cannot be sent is an error of the user that names its place', async () => {
  const { run } = startRunner()
  expect(await run({ export: 'odd' })).toMatchObject({
    ok: false,
    cause: 'user',
    error: { message: '$.f is a function' },
  })
})

test('both streams bear a mark after each job', async () => {
  const { run, child, printed } = startRunner()
  await run({ export: 'echo', jobId: 'j7', attempt: 3 })
  while (!printed().endsWith(endMark('j7', 3))) await once(child.stdout!, 'data')
})

test('without its pilot it ends, in the middle of a job too', async () => {
  const { run, channel, child } = startRunner()
  void run({ export: 'never' })
  await once(channel, 'data')
  channel.destroy()
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('what was printed before an exit is not lost', async () => {
  const { run, child, printed } = startRunner()
  void run({ export: 'flood' })
  expect(await once(child, 'close')).toEqual([5, null])
  expect(printed().length).toBe(3_000_001)
})
