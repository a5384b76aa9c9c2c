import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Done, endMark, type FromRunner, type Run, type Task, type ToRunner } from '../../contract/runner.ts'
import { files } from '../../main/files.ts'
import { makeLineReader } from '../lines.ts'

let folder: string
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'culm-runner-'))
  await writeFile(
    join(folder, 'm.mjs'),
    `import { writeFileSync } from 'node:fs'
     export const echo = (...args) => args
     export const large = (n) => 'x'.repeat(n)
     export const odd = () => ({ f() {} })
     const callback = (jobId) => ({ [Symbol.for('culm.callback')]: { jobId, attempt: 1, expiresAt: '2030-01-01T00:00:00.000Z' } })
     export const ask = async (jobId) => callback(jobId)
     export const say = (text) => { console.log(text); return text }
     export const compute = (ms) => { const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 }; for (const end = used() + ms; used() < end; ); return ms }
     export const block = (ms) => { for (const end = Date.now() + ms; Date.now() < end; ); return ms }
     export const leave = (file) => writeFileSync(file, '')
     export const never = () => new Promise(() => {})
     const runtime = () => globalThis[Symbol.for('culm.runtime')]
     export const tell = async (n) => { for (let i = 0; i < n; i++) runtime().report(i, { loss: 1 / i, note: NaN }); runtime().progress({ done: n, total: n }) }
     export const late = () => { const { report } = runtime(); setTimeout(() => report(1, { late: 1 }), 0) }
     export const left = () => [runtime().remainingSeconds() ?? 'none', runtime().restored, runtime().folder]
     export const waits = async () => { const before = runtime().remainingSeconds(); runtime().awaiting(); await runtime().woken(); return before - runtime().remainingSeconds() }
     export const flood = () => { console.log('x'.repeat(3_000_000)); process.exit(5) }`,
  )
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

type Job = Pick<Task, 'export'> & Partial<Pick<Task, 'common' | 'wallSeconds'> & Run>

/** A runner as a pilot starts it: what it says on its channel, and what it prints. */
const startRunner = () => {
  const child = spawn(process.execPath, [files.nodeRunner], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  children.push(child)
  const channel = child.stdio[3] as Duplex
  const heard: FromRunner[] = []
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
  const send = ({ jobId = 'j1', attempt = 1, args = { text: '{}' }, ...rest }: Job) => {
    const { export: name, common = null, wallSeconds = null, folder: place = folder, restored } = rest
    say({ t: 'task', taskId: 't1', workflowId: 'w1', bundle: 'b', module: 'm.mjs', export: name, common, wallSeconds })
    say({ t: 'run', jobId, index: 0, attempt, token: 'k', args, folder: place, restored })
  }
  /** Once it has said so many words of this kind. */
  const words = async <T extends FromRunner['t']>(t: T, count: number) => {
    const said = () => heard.filter((message): message is Extract<FromRunner, { t: T }> => message.t === t)
    while (said().length < count) await once(channel, 'data')
    return said()
  }
  const run = async (job: Job): Promise<Done> => {
    const before = heard.filter(({ t }) => t === 'done').length
    send(job)
    return (await words('done', before + 1))[before]!
  }
  return { child, channel, run, send, words, say, heard, printed: () => printed }
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

test('a job that returns its callback says until when its value may come; that of another job is an error', async () => {
  const { run } = startRunner()
  const args = { text: '{"a":["j1"]}' }
  expect(await run({ export: 'ask', args })).toMatchObject({
    ok: true,
    later: { expiresAt: '2030-01-01T00:00:00.000Z' },
  })
  expect(await run({ export: 'ask', args, jobId: 'j2' })).toMatchObject({
    ok: false,
    cause: 'user',
    error: { message: 'it returned a callback of j1 (attempt 1)' },
  })
  expect(await run({ export: 'ask', args, attempt: 2 })).toMatchObject({ ok: false })
})

test('a file that a job leaves is seen also where others left nothing for long', async () => {
  const { run, send, words, channel } = startRunner()
  const place = await mkdtemp(join(folder, 'place-'))
  await utimes(place, 1, 1)
  for (const jobId of ['j1', 'j2', 'j3']) await run({ export: 'echo', jobId, folder: place })
  // In one piece: all three are there when the first is done.
  channel.cork()
  send({ export: 'block', jobId: 'j4', args: { text: '{"a":[20]}' }, folder: place })
  send({ export: 'leave', jobId: 'j5', args: { text: '{"a":["left"]}' }, folder: place })
  send({ export: 'echo', jobId: 'j6', folder: place })
  channel.uncork()
  expect((await words('skipped', 1))[0]!.jobIds).toEqual(['j6'])
})

test('what short jobs computed is not told again as that of a longer one', async () => {
  const { run } = startRunner()
  for (let n = 0; n < 200; n++) await run({ export: 'echo', jobId: `j${n}` })
  const { usage } = await run({ export: 'compute', jobId: 'j999', args: { text: '{"a":[40]}' } })
  expect(usage!.cpuSeconds).toBeGreaterThan(0.02)
  expect(usage!.cpuSeconds).toBeLessThan(0.3)
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

test('jobs that wait are done in the order in which they came, and what one printed stays its own', async () => {
  const { send, words, printed, child } = startRunner()
  const place = await mkdtemp(join(tmpdir(), 'culm-runner-'))
  for (const n of [1, 2, 3, 4])
    send({ export: n === 3 ? 'say' : 'echo', jobId: `j${n}`, args: { text: '{"a":["w"]}' }, folder: place })
  expect((await words('done', 4)).map(({ jobId }) => jobId)).toEqual(['j1', 'j2', 'j3', 'j4'])
  while (!printed().endsWith(endMark('j4', 1))) await once(child.stdout!, 'data')
  expect(printed()).toMatch(new RegExp(`${endMark('j2', 1)}w\n${endMark('j3', 1)}`))
  await rm(place, { recursive: true })
})

test('after a job that took its time it listens before it begins another', async () => {
  const { send, words, say } = startRunner()
  const place = await mkdtemp(join(tmpdir(), 'culm-runner-'))
  send({ export: 'block', jobId: 'j1', args: { text: '{"a":[300]}' }, folder: place })
  for (const n of [2, 3]) send({ export: 'echo', jobId: `j${n}`, folder: place })
  await words('ready', 1)
  say({ t: 'skip', jobIds: ['j2', 'j9'] })
  expect((await words('skipped', 1))[0]!.jobIds).toEqual(['j2'])
  expect((await words('done', 2)).map(({ jobId }) => jobId)).toEqual(['j1', 'j3'])
  await rm(place, { recursive: true })
})

test('behind a job that left files none other is run in its folder', async () => {
  const { send, words } = startRunner()
  const place = await mkdtemp(join(tmpdir(), 'culm-runner-'))
  send({ export: 'echo', jobId: 'j1', folder: place })
  send({ export: 'leave', jobId: 'j2', args: { text: '{"a":["f"]}' }, folder: place })
  for (const n of [3, 4]) send({ export: 'echo', jobId: `j${n}`, folder: place })
  expect((await words('skipped', 1))[0]!.jobIds).toEqual(['j3', 'j4'])
  expect((await words('done', 2)).map(({ jobId }) => jobId)).toEqual(['j1', 'j2'])
  await rm(place, { recursive: true })
})

test('what a job says is gathered into few words, whole before its end, and what it says afterwards is nobody’s', async () => {
  const { run, words, heard } = startRunner()
  await run({ export: 'tell', args: { text: '{"a":[2500]}' } })
  const told = await words('told', 1)
  expect(heard.at(-1)).toMatchObject({ t: 'done' })
  expect(told.flatMap(({ metrics = [] }) => metrics.map(({ step }) => step))).toEqual(
    Array.from({ length: 2500 }, (_, step) => step),
  )
  expect(told[0]!.metrics![0]).toEqual({ step: 0, values: { loss: 'Infinity', note: 'NaN' } })
  expect(told.at(-1)!.progress).toEqual({ done: 2500, total: 2500 })
  expect(Math.max(...told.map(({ metrics = [] }) => metrics.length))).toBeLessThanOrEqual(500)
  await run({ export: 'late', jobId: 'j2' })
  await run({ export: 'block', jobId: 'j3', args: { text: '{"a":[50]}' } })
  expect((await words('told', 1)).filter(({ jobId }) => jobId !== 'j1')).toEqual([])
})

test('a job knows what is left of its time, in which what it awaits does not count, and whether it was restored', async () => {
  const { run, send, say, words } = startRunner()
  const given = (done: Done) => JSON.parse((done as { value: { text: string } }).value.text)
  expect(given(await run({ export: 'left' }))).toEqual(['none', false, folder])
  const [seconds, restored] = given(await run({ export: 'left', wallSeconds: 60, restored: true }))
  expect([Math.round(seconds / 10), restored]).toEqual([6, true])
  send({ export: 'waits', jobId: 'j9', wallSeconds: 60 })
  await words('woken', 1)
  const until = performance.now() + 1000
  while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
  say({ t: 'resumed', jobId: 'j9' })
  expect(given((await words('done', 3))[2]!)).toBeLessThan(0.9)
})
