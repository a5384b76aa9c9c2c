import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Report } from '../contract/pilots.ts'
import type { Payload } from '../contract/tasks.ts'
import { pidsHere, readProc } from './processTable.ts'
import { FakeServer } from './testing/fakeServer.ts'
import { type Built, buildPilotParts, startTestPilot, type TestPilot } from './testing/startTestPilot.ts'

let built: Built
let server: FakeServer
let scratch: string
const pilots: TestPilot[] = []

beforeAll(async () => {
  built = await buildPilotParts()
})
afterAll(() => built.remove())
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'culm-scratch-'))
  server = await new FakeServer().start()
})
afterEach(async () => {
  await Promise.all(pilots.splice(0).map((pilot) => pilot.close()))
  await server.stop()
  await rm(scratch, { recursive: true, force: true })
})

const start = async (options: Parameters<typeof startTestPilot>[2] = {}): Promise<TestPilot> => {
  const pilot = await startTestPilot(server, built, options)
  pilots.push(pilot)
  return pilot
}

/** A function `f` with this body, in a bundle of its own. */
const work = (body: string): Payload => ({
  kind: 'function',
  bundle: server.bundle({
    'm.mjs': `
      import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
      import { spawn } from 'node:child_process'
      const fileAt = async (path) => { while (!existsSync(path)) await new Promise((r) => setTimeout(r, 5)) }
      const runtime = () => globalThis[Symbol.for('culm.runtime')]
      export const f = async (...args) => { ${body} }`,
  }),
  module: 'm.mjs',
  export: 'f',
  language: 'node',
})

const command = (...words: string[]): Payload => ({ kind: 'command', command: words })

const valueIn = (report: Report): unknown => {
  expect(report).toMatchObject({ what: 'finished' })
  return JSON.parse((report.value as { text: string }).text)
}

/** Waits on something that the server cannot see. */
const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const lives = (pid: number): boolean => readProc(pid, 'status')?.match(/^State:\s+[^ZX]/m) != null

test('two calls of a function run in the same warm process, and its arguments and those of its task are joined', async () => {
  await start()
  const payload = work(`
    const found = readdirSync('.')
    writeFileSync('left', 'behind')
    return { pid: process.pid, args, found, folder: process.cwd() }`)
  const first = valueIn(await server.ended(server.submit({ payload, common: ['a'], args: [1, 2] }))) as Record<
    string,
    unknown
  >
  const second = valueIn(
    await server.ended(server.submit({ payload, args: { text: '{"a":[3],"k":{"n":4}}' } })),
  ) as Record<string, unknown>
  expect(second.pid).toBe(first.pid)
  expect(first.args).toEqual(['a', 1, 2])
  expect(second.args).toEqual([3, { n: 4 }])
  expect([first.found, second.found]).toEqual([[], []])
  await until('the removal of the folder', () => !existsSync(first.folder as string))
})

test('owners never share a runner', async () => {
  await start({ slots: 1 })
  const payload = work('return process.pid')
  const pids = []
  for (const ownerId of ['u1', 'u2', 'u1']) pids.push(valueIn(await server.ended(server.submit({ payload, ownerId }))))
  expect(pids[2]).toBe(pids[0])
  expect(pids[1]).not.toBe(pids[0])
})

test('a payload sees what it needs of the environment, and no secret of the pilot', async () => {
  await start({
    environment: {
      PATH: process.env.PATH,
      LC_ALL: 'C',
      CULM_TOKEN: 'secret',
      AWS_SECRET_ACCESS_KEY: 'secret',
      https_proxy: 'http://u:secret@h',
    },
  })
  const seen = valueIn(await server.ended(server.submit({ payload: work('return process.env') }))) as Record<
    string,
    string
  >
  expect(seen).toMatchObject({ PATH: process.env.PATH, LC_ALL: 'C' })
  const id = server.submit({ payload: command('env') })
  await server.ended(id)
  await server.said(id, 'stdout', 'CULM_ATTEMPT=1')
  await server.said(id, 'stdout', `CULM_JOB=${id}`)
  expect(JSON.stringify(seen) + server.output.get(`${id}:stdout`)).not.toMatch(/secret|token-of-the-pilot/)
})

test('a command ends as its exit code says', async () => {
  await start()
  const [good, bad, absent, killed] = [
    server.submit({ payload: command('sh', '-c', 'echo "$1 and $2"; pwd', 'sh'), args: ['one', 2] }),
    server.submit({ payload: command('sh', '-c', 'echo what is wrong >&2; exit 3') }),
    server.submit({ payload: command('/no/such/program') }),
    server.submit({ payload: command('sh', '-c', 'kill -SEGV $$') }),
  ]
  expect(await server.ended(good)).toMatchObject({ what: 'finished', value: { text: 'null' } })
  await server.said(good, 'stdout', `one and 2\n`)
  await server.said(good, 'stdout', `jobs/${good}.1\n`)
  expect(await server.ended(bad)).toMatchObject({
    what: 'failed',
    cause: 'user',
    exitCode: 3,
    error: { type: 'ExitCode', message: 'exit code 3', stack: 'what is wrong' },
  })
  expect(await server.ended(absent)).toMatchObject({
    what: 'failed',
    cause: 'user',
    error: { type: 'CommandNotFound' },
  })
  expect(await server.ended(killed)).toMatchObject({ what: 'failed', cause: 'runner', signal: 'SIGSEGV' })
})

test('what a warm runner prints goes to the job that printed it, whole to the last character', async () => {
  await start({ slots: 1 })
  // Each write is cut in the middle of a character of three bytes.
  const payload = work(`
    const bytes = Buffer.from(args[0] + '€'.repeat(50_000))
    for (let i = 0; i < bytes.length; i += 1000) process.stdout.write(bytes.subarray(i, i + 1000))
    console.error('to stderr: ' + args[0])`)
  const ids = ['first', 'second', 'third'].map((word) => server.submit({ payload, args: [word] }))
  for (const [n, id] of ids.entries()) {
    const word = ['first', 'second', 'third'][n]!
    const expected = word + '€'.repeat(50_000)
    await server.until(`the output of ${id}`, () => (server.output.get(`${id}:stdout`)?.length ?? 0) >= expected.length)
    expect(server.output.get(`${id}:stdout`) === expected).toBe(true)
    await server.said(id, 'stderr', `to stderr: ${word}\n`)
    expect(server.output.get(`${id}:stderr`)).toBe(`to stderr: ${word}\n`)
  }
})

test('of a flood of output only the start is kept, and a line says so', async () => {
  await start({ maxLogBytes: 100_000 })
  const id = server.submit({ payload: command('sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x; echo end >&2') })
  await server.ended(id)
  await server.said(id, 'stdout', 'went over 0.1 MB')
  await server.said(id, 'stderr', 'end')
  expect(server.output.get(`${id}:stdout`)!.length).toBeLessThan(100_200)
})

test('an error of a function comes with the user’s own trace, and the runner lives on', async () => {
  await start()
  const payload = work(`
    if (args[0] === 'pid') return process.pid
    if (args[0] === 'stray') { setTimeout(() => { throw new RangeError('from a timer') }); await fileAt('/never') }
    throw new TypeError('bad ' + args[0], { cause: new Error('beneath') })`)
  const before = valueIn(await server.ended(server.submit({ payload, args: ['pid'] })))
  const failure = await server.ended(server.submit({ payload, args: ['luck'] }))
  expect(failure).toMatchObject({ what: 'failed', cause: 'user', error: { type: 'TypeError', message: 'bad luck' } })
  expect(failure.error!.stack).toMatch(/m\.mjs:\d+.*\nCaused by: Error: beneath/s)
  expect(failure.error!.stack).not.toMatch(/runner\.mjs|node:internal/)
  expect(valueIn(await server.ended(server.submit({ payload, args: ['pid'] })))).toBe(before)
  expect(await server.ended(server.submit({ payload, args: ['stray'] }))).toMatchObject({
    cause: 'user',
    error: { type: 'RangeError' },
  })
  expect(valueIn(await server.ended(server.submit({ payload, args: ['pid'] })))).not.toBe(before)
})

test('the trace of bundled TypeScript names the user’s file and line', async () => {
  const { build } = await import('esbuild')
  const source = '// a line\n\nexport const f = (n: number): number => {\n  throw new Error(String(n))\n}\n'
  const made = await build({
    stdin: { contents: source, sourcefile: 'mine.ts', loader: 'ts' },
    sourcemap: 'inline',
    format: 'esm',
    minify: true,
    write: false,
  })
  await start()
  const bundle = server.bundle({ 'm.mjs': made.outputFiles[0]!.text })
  const failure = await server.ended(
    server.submit({ payload: { kind: 'function', bundle, module: 'm.mjs', export: 'f', language: 'node' }, args: [7] }),
  )
  expect(failure.error!.stack).toMatch(/mine\.ts:4:9/)
})

test('what cannot be loaded is blamed on the bundle, with a remedy', async () => {
  await start()
  const bundle = server.bundle({ 'm.mjs': 'export const g = 1', 'n.mjs': 'import "no-such-package"' })
  const payload = { kind: 'function', bundle, module: 'm.mjs', export: 'f', language: 'node' } as const
  expect(await server.ended(server.submit({ payload }))).toMatchObject({
    cause: 'bundle',
    error: { message: expect.stringContaining('it exports g') },
  })
  expect(await server.ended(server.submit({ payload: { ...payload, module: 'n.mjs' } }))).toMatchObject({
    cause: 'bundle',
    error: { message: expect.stringMatching(/no-such-package.*installed where it runs/) },
  })
})

test('a call during import is told from one in a job, and the work of the SDK is opened', async () => {
  await start()
  const source = `
    const runtime = () => globalThis[Symbol.for('culm.runtime')]
    const during = runtime().importing
    export const f = Object.assign(() => 'a call', { [Symbol.for('culm.work')]: { fn: () => ({ during, inJob: runtime().importing, ...runtime().job, url: runtime().serverUrl }) } })`
  const payload = {
    kind: 'function',
    bundle: server.bundle({ 'm.mjs': source }),
    module: 'm.mjs',
    export: 'f',
    language: 'node',
  } as const
  const id = server.submit({ payload })
  expect(valueIn(await server.ended(id))).toEqual({
    ...{ during: true, inJob: false, jobId: id, taskId: 't1', workflowId: 'w1', index: 0, attempt: 1 },
    ...{ token: `token-of-${id}`, url: server.url },
  })
})

test('a bundle that reaches out of its folder is refused', async () => {
  const pilot = await start()
  for (const path of ['../evil.mjs', '/tmp/evil.mjs', 'a/../../evil.mjs']) {
    const payload = {
      kind: 'function',
      bundle: server.bundle({ [path]: 'export const f = () => 1' }),
      module: 'm.mjs',
      export: 'f',
      language: 'node',
    } as const
    expect(await server.ended(server.submit({ payload }))).toMatchObject({
      what: 'failed',
      cause: 'bundle',
      error: { type: 'BundleInvalid' },
    })
  }
  expect(readdirSync(pilot.folder)).not.toContain('evil.mjs')
})

test('of a changed bundle only what changed is fetched', async () => {
  await start()
  const payloadOf = (files: Record<string, string>): Payload => ({
    kind: 'function',
    bundle: server.bundle(files),
    module: 'm.mjs',
    export: 'f',
    language: 'node',
  })
  const shared = { 'lib/shared.mjs': 'export const one = 1' }
  const body = (n: number) => `import { one } from './lib/shared.mjs'; export const f = () => one + ${n}`
  expect(valueIn(await server.ended(server.submit({ payload: payloadOf({ ...shared, 'm.mjs': body(1) }) })))).toBe(2)
  expect(valueIn(await server.ended(server.submit({ payload: payloadOf({ ...shared, 'm.mjs': body(2) }) })))).toBe(3)
  expect([...server.fetched.values()].every((count) => count === 1)).toBe(true)
  expect(server.fetched.size).toBe(5)
})

test('large values go by reference, both ways, and a shared one is fetched once', async () => {
  await start()
  const text = JSON.stringify({ a: ['x'.repeat(2_000_000)] })
  const common = { blob: server.store(text), bytes: text.length }
  const payload = work('return args[1] + args[0]')
  for (const word of ['a', 'b']) {
    const { value } = await server.ended(server.submit({ payload, common, args: [word] }))
    expect(value).toMatchObject({ bytes: 2_000_003 })
    expect(
      server.blobs
        .get((value as { blob: string }).blob)!
        .subarray(0, 3)
        .toString(),
    ).toBe(`"${word}x`)
  }
  expect(server.fetched.get(common.blob)).toBe(1)
})

test('over its memory limit the whole group is killed, a grandchild too', async () => {
  await start()
  const hog = 'const a = []; for (let i = 0; i < 30; i++) a.push(Buffer.alloc(10e6, 1)); setInterval(() => {}, 1000)'
  // The grandchild leaves the group, as a shell's job control would make it.
  const payload = work(`
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(hog)}], { detached: true, stdio: 'ignore' })
    console.log(process.pid + ' ' + child.pid + ';')
    await fileAt('/never')`)
  const id = server.submit({ payload, memoryMb: 200 })
  await server.said(id, 'stdout', ';')
  const pids = server.output.get(`${id}:stdout`)!.split(';')[0]!.split(' ').map(Number)
  const report = await server.ended(id)
  expect(report).toMatchObject({
    what: 'failed',
    cause: 'memory',
    error: { message: expect.stringMatching(/it used \d+ MB; its limit is 200 MB/) },
  })
  expect(report.usage!.maxRssMb).toBeGreaterThan(200)
  await until('the end of the family', () => !pids.some(lives))
})

test('over its time limit a job is ended', async () => {
  await start()
  const report = await server.ended(server.submit({ payload: command('sleep', '1000'), wallSeconds: 1 }))
  expect(report).toMatchObject({
    what: 'failed',
    cause: 'walltime',
    error: { message: expect.stringContaining('1 s') },
  })
  expect(report.usage!.wallSeconds).toBeLessThan(5)
})

test('a cancel asks first and then kills, and the slot is free again', async () => {
  await start({ slots: 1 })
  const polite = server.submit({
    payload: command('sh', '-c', 'trap "echo asked; exit 0" TERM; echo up; sleep 1000 & wait'),
  })
  await server.said(polite, 'stdout', 'up')
  server.cancel(polite)
  expect(await server.ended(polite)).toMatchObject({ what: 'cancelled' })
  await server.said(polite, 'stdout', 'asked')
  const id = server.submit({ payload: work('console.log("up"); await fileAt("/never")') })
  await server.said(id, 'stdout', 'up')
  server.cancel(id)
  expect(await server.ended(id)).toMatchObject({ what: 'cancelled' })
  expect(valueIn(await server.ended(server.submit({ payload: work('return 1') })))).toBe(1)
})

test('with all cores taken a claim for none is open, and makes room at once for one when a core is free', async () => {
  await start({ slots: 1, waitSeconds: 60 })
  const payload = work('console.log("up"); await fileAt(args[0])')
  const first = server.submit({ payload, args: [join(scratch, 'go')] })
  await server.said(first, 'stdout', 'up')
  await server.until('a claim for no cores', () => server.claims.at(-1)?.cores === 0)
  const second = server.submit({ payload, args: [join(scratch, 'go')] })
  writeFileSync(join(scratch, 'go'), '')
  expect(await server.ended(second)).toMatchObject({ what: 'finished' })
  expect(server.claims.every(({ claimSeq }, i) => i === 0 || claimSeq === server.claims[i - 1]!.claimSeq + 1)).toBe(true)
})

test('a process that ends in the middle of a job says how', async () => {
  await start()
  const left = await server.ended(server.submit({ payload: work('console.error("last words"); process.exit(7)') }))
  expect(left).toMatchObject({
    cause: 'runner',
    exitCode: 7,
    error: { message: expect.stringMatching(/exit code 7.*last words/s) },
  })
  const killed = await server.ended(
    server.submit({ payload: work('process.kill(process.pid, "SIGKILL"); await fileAt("/never")') }),
  )
  expect(killed).toMatchObject({ cause: 'runner', signal: 'SIGKILL' })
})

test('a missing interpreter, and one without the runner, are the fault of the place', async () => {
  await start({ pythonPath: '/no/such/folder' })
  const payload = {
    kind: 'function',
    bundle: server.bundle({ 'm.py': '' }, 'python'),
    module: 'm',
    export: 'f',
    language: 'python',
  } as const
  const missing = await server.ended(server.submit({ payload: { ...payload, interpreter: '/no/python' } }))
  expect(missing).toMatchObject({
    cause: 'site',
    error: { type: 'RunnerMissing', message: expect.stringContaining('/no/python') },
  })
  const bare = await server.ended(server.submit({ payload }))
  expect(bare).toMatchObject({
    cause: 'site',
    error: { message: expect.stringMatching(/did not come up.*No module named/s) },
  })
})

test('an answer to a claim that is lost is asked for again, and no job runs twice', async () => {
  await start({ slots: 4 })
  server.loseAnswers = 2
  const ran = join(scratch, 'ran')
  const ids = ['a', 'b'].map((word) => server.submit({ payload: command('sh', '-c', 'echo "$0" >> "$1"', word, ran) }))
  for (const id of ids) expect(await server.ended(id)).toMatchObject({ what: 'finished' })
  const bodies = new Map(server.claims.map((claim) => [claim.claimSeq, claim]))
  expect(server.claims.length).toBeGreaterThan(bodies.size)
  expect(server.reports.filter(({ what }) => what === 'finished')).toHaveLength(2)
  expect(readFileSync(ran, 'utf8').trim().split('\n').sort()).toEqual(['a', 'b'])
})

test('jobs go on while the server is away, and what happened is told when it is back', async () => {
  await start({ slots: 2 })
  const file = join(scratch, 'go')
  const payload = work(
    `console.log("up"); await fileAt(${JSON.stringify(file)}); console.log("done"); writeFileSync(args[0], ''); return 1`,
  )
  const ids = [1, 2].map((n) => server.submit({ payload, args: [join(scratch, `done${n}`)] }))
  for (const id of ids) await server.said(id, 'stdout', 'up')
  await server.stop()
  writeFileSync(file, '')
  await until('the end of the jobs', () => existsSync(join(scratch, 'done1')) && existsSync(join(scratch, 'done2')))
  await server.start()
  for (const id of ids) expect(valueIn(await server.ended(id))).toBe(1)
  for (const id of ids) await server.said(id, 'stdout', 'up\ndone\n')
  expect(server.epoch).toBe(1)
})

test('a job that awaits its calls gives its slot to others, and goes on when it has one again', async () => {
  await start({ slots: 1 })
  const file = join(scratch, 'go')
  const outer = server.submit({
    payload: work(
      `runtime().awaiting(); await fileAt(${JSON.stringify(file)}); await runtime().woken(); return 'resumed'`,
    ),
  })
  expect(await server.reported(outer, 'awaiting')).toMatchObject({ startedAt: expect.any(String) })
  const inner = server.submit({
    payload: work(`writeFileSync(${JSON.stringify(file)}, ''); await fileAt(args[0]); return 2`),
    args: [join(scratch, 'end')],
  })
  await server.reported(outer, 'woken')
  // The inner one has the only slot still.
  expect(server.reports.some((r) => r.what === 'finished')).toBe(false)
  writeFileSync(join(scratch, 'end'), '')
  expect(valueIn(await server.ended(inner))).toBe(2)
  expect(valueIn(await server.ended(outer))).toBe('resumed')
  const order = server.reports.filter((r) => r.what === 'finished').map((r) => r.jobId)
  expect(order).toEqual([inner, outer])
})

test('a job that is over before it has its slot back is told of once it has', async () => {
  await start({ slots: 1 })
  const outer = server.submit({
    payload: work(`runtime().awaiting(); await fileAt(args[0]); void runtime().woken(); return 'early'`),
    args: [join(scratch, 'go')],
  })
  await server.reported(outer, 'awaiting')
  const inner = server.submit({
    payload: work('console.log("up"); await fileAt(args[0])'),
    args: [join(scratch, 'end')],
  })
  await server.said(inner, 'stdout', 'up')
  writeFileSync(join(scratch, 'go'), '')
  await server.reported(outer, 'woken')
  writeFileSync(join(scratch, 'end'), '')
  expect(valueIn(await server.ended(outer))).toBe('early')
  const order = server.reports.filter((r) => r.what === 'finished').map((r) => r.jobId)
  expect(order).toEqual([inner, outer])
})

test('at the end running jobs may finish, what awaits goes back, and the server is told', async () => {
  const pilot = await start({ slots: 2, graceSeconds: 30 })
  const file = join(scratch, 'go')
  const awaiting = server.submit({ payload: work('runtime().awaiting(); await fileAt("/never")') })
  await server.reported(awaiting, 'awaiting')
  const running = server.submit({ payload: work(`console.log("up"); await fileAt(${JSON.stringify(file)}); return 5`) })
  await server.said(running, 'stdout', 'up')
  pilot.drain()
  expect(await server.ended(awaiting)).toMatchObject({ what: 'returned' })
  writeFileSync(file, '')
  expect(valueIn(await server.ended(running))).toBe(5)
  await pilot.ended
  expect(server.left).toBe(1)
  expect(existsSync(join(pilot.folder, 'jobs'))).toBe(false)
})

test('what still runs when its grace is over goes back, and a second word ends it at once', async () => {
  const patient = await start({ slots: 1, graceSeconds: 0.1 })
  const first = server.submit({ payload: work('console.log(process.pid + ";"); await fileAt("/never")') })
  await server.said(first, 'stdout', ';')
  patient.drain()
  expect(await server.ended(first)).toMatchObject({ what: 'returned', startedAt: expect.any(String) })
  await patient.ended

  const hurried = await start({ slots: 1, graceSeconds: 1000 })
  const second = server.submit({ payload: command('sh', '-c', 'trap "" TERM; echo up; sleep 1000') })
  await server.said(second, 'stdout', 'up')
  hurried.drain()
  hurried.kill()
  expect(await server.ended(second)).toMatchObject({ what: 'returned' })
  await hurried.ended
  const pid = Number(server.output.get(`${first}:stdout`)!.split(';')[0])
  expect(lives(pid)).toBe(false)
})

test('the lease is renewed with what is held; what is no longer its own is ended without a word', async () => {
  server.renewSeconds = 0.05
  await start()
  const id = server.submit({ payload: work('console.log(process.pid + ";"); await fileAt("/never")') })
  await server.said(id, 'stdout', ';')
  server.drop = [{ jobId: id, attempt: 1 }]
  const listed = await server.until('a renewal with the list', () =>
    server.renewals.find(({ list }) => list?.length === 1),
  )
  expect(listed.list).toEqual([{ jobId: id, attempt: 1 }])
  await until('the end of the dropped job', () => !lives(Number(server.output.get(`${id}:stdout`)!.split(';')[0])))
  server.drop = []
  const other = server.submit({ payload: work('return 3') })
  expect(valueIn(await server.ended(other))).toBe(3)
  expect(server.reports.filter(({ jobId, what }) => jobId === id && what !== 'running')).toEqual([])
})

test('a pilot that the server has forgotten registers again; one that was replaced ends, and its jobs with it', async () => {
  server.renewSeconds = 0.05
  const pilot = await start()
  await server.until('the first registration', () => server.epoch === 1)
  server.knowsPilot = false
  await server.until('the second registration', () => server.epoch === 2)
  const id = server.submit({ payload: command('sh', '-c', 'echo "$$;"; sleep 1000') })
  await server.said(id, 'stdout', ';')
  server.epoch = 3
  await expect(pilot.ended).rejects.toMatchObject({ code: 'pilot_replaced' })
  expect(lives(Number(server.output.get(`${id}:stdout`)!.split(';')[0]))).toBe(false)
})

test('what a killed pilot left running is ended by its next start', async () => {
  const { spawn } = await import('node:child_process')
  const orphan = spawn('sleep', ['1000'], {
    detached: true,
    env: { CULM_PILOT_FOLDER: scratch, PATH: process.env.PATH },
    stdio: 'ignore',
  })
  const other = spawn('sleep', ['1000'], {
    detached: true,
    env: { CULM_PILOT_FOLDER: `${scratch}x`, PATH: process.env.PATH },
    stdio: 'ignore',
  })
  await until(
    'the orphan',
    () => pidsHere().includes(orphan.pid!) && readProc(orphan.pid!, 'environ')!.includes(scratch),
  )
  await start({ folder: scratch })
  await until('the end of the orphan', () => orphan.signalCode === 'SIGKILL')
  expect(other.signalCode).toBe(null)
  other.kill('SIGKILL')
})
