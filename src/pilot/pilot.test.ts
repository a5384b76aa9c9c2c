import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Payload } from '../contract/tasks.ts'
import { command, pilotFixture, until, valueIn } from './testing/pilotFixture.ts'

/** What runs, and what is told of it. */
const pilots = pilotFixture()

test('two calls of a function run in the same warm process, and its arguments and those of its task are joined', async () => {
  await pilots.start()
  const payload = pilots.work(`
    const found = readdirSync('.')
    writeFileSync('left', 'behind')
    return { pid: process.pid, args, found, folder: process.cwd() }`)
  const first = valueIn(
    await pilots.server.ended(pilots.server.submit({ payload, common: ['a'], args: [1, 2] })),
  ) as Record<string, unknown>
  const second = valueIn(
    await pilots.server.ended(pilots.server.submit({ payload, args: { text: '{"a":[3],"k":{"n":4}}' } })),
  ) as Record<string, unknown>
  expect(second.pid).toBe(first.pid)
  expect(first.args).toEqual(['a', 1, 2])
  expect(second.args).toEqual([3, { n: 4 }])
  expect([first.found, second.found]).toEqual([[], []])
  await until('the removal of the folder', () => !existsSync(first.folder as string))
})

test('a function that returns its callback is told to be deferred, and its slot and runner are free', async () => {
  await pilots.start({ slots: 1 })
  const later = pilots.work(`
    const { jobId, attempt } = runtime().job
    return { [Symbol.for('culm.callback')]: { jobId, attempt, expiresAt: '2030-01-01T00:00:00Z' } }`)
  const id = pilots.server.submit({ payload: later })
  const report = await pilots.server.reported(id, 'deferred')
  expect(report).toMatchObject({ until: '2030-01-01T00:00:00.000Z', usage: { wallSeconds: expect.any(Number) } })
  expect(report).not.toHaveProperty('value')
  expect(await pilots.server.reported(pilots.server.submit({ payload: later }), 'deferred')).toMatchObject({
    attempt: 1,
  })
})

test('owners never share a runner', async () => {
  await pilots.start({ slots: 1 })
  const payload = pilots.work('return process.pid')
  const pids = []
  for (const ownerId of ['u1', 'u2', 'u1'])
    pids.push(valueIn(await pilots.server.ended(pilots.server.submit({ payload, ownerId }))))
  expect(pids[2]).toBe(pids[0])
  expect(pids[1]).not.toBe(pids[0])
})

test('a payload sees what it needs of the environment, and no secret of the pilot', async () => {
  await pilots.start({
    environment: {
      PATH: process.env.PATH,
      LC_ALL: 'C',
      CULM_TOKEN: 'secret',
      AWS_SECRET_ACCESS_KEY: 'secret',
      https_proxy: 'http://u:secret@h',
    },
  })
  const seen = valueIn(
    await pilots.server.ended(pilots.server.submit({ payload: pilots.work('return process.env') })),
  ) as Record<string, string>
  expect(seen).toMatchObject({ PATH: process.env.PATH, LC_ALL: 'C' })
  const id = pilots.server.submit({ payload: command('env') })
  await pilots.server.ended(id)
  await pilots.server.said(id, 'stdout', 'CULM_ATTEMPT=1')
  await pilots.server.said(id, 'stdout', `CULM_JOB=${id}`)
  expect(JSON.stringify(seen) + pilots.server.output.get(`${id}:stdout`)).not.toMatch(/secret|token-of-the-pilot/)
})

test('no token is on a command line', async () => {
  await pilots.start({ slots: 1 })
  const lines = pilots.work(
    "return [process.pid, process.ppid].map((pid) => readFileSync('/proc/' + pid + '/cmdline', 'utf8')).join()",
  )
  const ofFunction = valueIn(await pilots.server.ended(pilots.server.submit({ payload: lines })))
  const id = pilots.server.submit({ payload: command('sh', '-c', 'cat /proc/$$/cmdline /proc/$PPID/cmdline; echo') })
  await pilots.server.ended(id)
  await pilots.server.said(id, 'stdout', '\n')
  const ofCommand = pilots.server.output.get(`${id}:stdout`)!
  expect([ofFunction, ofCommand]).toEqual([expect.stringContaining('node'), expect.stringContaining('cmdline')])
  expect(ofFunction + ofCommand).not.toContain('token-of')
})

test('a command ends as its exit code says', async () => {
  await pilots.start()
  const [good, bad, absent, killed] = [
    pilots.server.submit({ payload: command('sh', '-c', 'echo "$1 and $2"; pwd', 'sh'), args: ['one', 2] }),
    pilots.server.submit({ payload: command('sh', '-c', 'echo what is wrong >&2; exit 3') }),
    pilots.server.submit({ payload: command('/no/such/program') }),
    pilots.server.submit({ payload: command('sh', '-c', 'kill -SEGV $$') }),
  ]
  expect(await pilots.server.ended(good)).toMatchObject({ what: 'finished', value: { text: 'null' } })
  await pilots.server.said(good, 'stdout', `one and 2\n`)
  await pilots.server.said(good, 'stdout', `jobs/u1/${good}.1\n`)
  expect(await pilots.server.ended(bad)).toMatchObject({
    what: 'failed',
    cause: 'user',
    exitCode: 3,
    error: { type: 'ExitCode', message: 'exit code 3', stack: 'what is wrong' },
  })
  expect(await pilots.server.ended(absent)).toMatchObject({
    what: 'failed',
    cause: 'user',
    error: { type: 'CommandNotFound' },
  })
  expect(await pilots.server.ended(killed)).toMatchObject({ what: 'failed', cause: 'runner', signal: 'SIGSEGV' })
})

test('what a warm runner prints goes to the job that printed it, whole to the last character', async () => {
  await pilots.start({ slots: 1 })
  // Each write is cut in the middle of a character of three bytes.
  const payload = pilots.work(`
    const bytes = Buffer.from(args[0] + '€'.repeat(50_000))
    for (let i = 0; i < bytes.length; i += 1000) process.stdout.write(bytes.subarray(i, i + 1000))
    console.error('to stderr: ' + args[0])`)
  const ids = ['first', 'second', 'third'].map((word) => pilots.server.submit({ payload, args: [word] }))
  for (const [n, id] of ids.entries()) {
    const word = ['first', 'second', 'third'][n]!
    const expected = word + '€'.repeat(50_000)
    await pilots.server.until(
      `the output of ${id}`,
      () => (pilots.server.output.get(`${id}:stdout`)?.length ?? 0) >= expected.length,
    )
    expect(pilots.server.output.get(`${id}:stdout`) === expected).toBe(true)
    await pilots.server.said(id, 'stderr', `to stderr: ${word}\n`)
    expect(pilots.server.output.get(`${id}:stderr`)).toBe(`to stderr: ${word}\n`)
  }
})

test('of a flood of output only the start is kept, and a line says so', async () => {
  await pilots.start({ maxLogBytes: 100_000 })
  const id = pilots.server.submit({
    payload: command('sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x; echo end >&2'),
  })
  await pilots.server.ended(id)
  await pilots.server.said(id, 'stdout', 'went over 0.1 MB')
  await pilots.server.said(id, 'stderr', 'end')
  expect(pilots.server.output.get(`${id}:stdout`)!.length).toBeLessThan(100_200)
})

test('an error of a function comes with the user’s own trace, and the runner lives on', async () => {
  await pilots.start()
  const payload = pilots.work(`
    if (args[0] === 'pid') return process.pid
    if (args[0] === 'stray') { setTimeout(() => { throw new RangeError('from a timer') }); await fileAt('/never') }
    throw new TypeError('bad ' + args[0], { cause: new Error('beneath') })`)
  const before = valueIn(await pilots.server.ended(pilots.server.submit({ payload, args: ['pid'] })))
  const failure = await pilots.server.ended(pilots.server.submit({ payload, args: ['luck'] }))
  expect(failure).toMatchObject({ what: 'failed', cause: 'user', error: { type: 'TypeError', message: 'bad luck' } })
  expect(failure.error!.stack).toMatch(/m\.mjs:\d+.*\nCaused by: Error: beneath/s)
  expect(failure.error!.stack).not.toMatch(/runner\.js|node:internal/)
  expect(valueIn(await pilots.server.ended(pilots.server.submit({ payload, args: ['pid'] })))).toBe(before)
  expect(await pilots.server.ended(pilots.server.submit({ payload, args: ['stray'] }))).toMatchObject({
    cause: 'user',
    error: { type: 'RangeError' },
  })
  expect(valueIn(await pilots.server.ended(pilots.server.submit({ payload, args: ['pid'] })))).not.toBe(before)
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
  await pilots.start()
  const bundle = pilots.server.bundle({ 'm.mjs': made.outputFiles[0]!.text })
  const failure = await pilots.server.ended(
    pilots.server.submit({
      payload: { kind: 'function', bundle, module: 'm.mjs', export: 'f', language: 'node' },
      args: [7],
    }),
  )
  expect(failure.error!.stack).toMatch(/mine\.ts:4:9/)
})

test('what cannot be loaded is blamed on the bundle, with a remedy', async () => {
  await pilots.start()
  const bundle = pilots.server.bundle({ 'm.mjs': 'export const g = 1', 'n.mjs': 'import "no-such-package"' })
  const payload = { kind: 'function', bundle, module: 'm.mjs', export: 'f', language: 'node' } as const
  expect(await pilots.server.ended(pilots.server.submit({ payload }))).toMatchObject({
    cause: 'bundle',
    error: { message: expect.stringContaining('it exports g') },
  })
  expect(await pilots.server.ended(pilots.server.submit({ payload: { ...payload, module: 'n.mjs' } }))).toMatchObject({
    cause: 'bundle',
    error: { message: expect.stringMatching(/no-such-package.*installed where it runs/) },
  })
})

test('a call during import is told from one in a job, and the work of the SDK is opened', async () => {
  await pilots.start()
  const source = `
    const runtime = () => globalThis[Symbol.for('culm.runtime')]
    const during = runtime().importing
    export const f = Object.assign(() => 'a call', { [Symbol.for('culm.work')]: { fn: () => ({ during, inJob: runtime().importing, ...runtime().job, url: runtime().serverUrl }) } })`
  const payload = {
    kind: 'function',
    bundle: pilots.server.bundle({ 'm.mjs': source }),
    module: 'm.mjs',
    export: 'f',
    language: 'node',
  } as const
  const id = pilots.server.submit({ payload })
  expect(valueIn(await pilots.server.ended(id))).toEqual({
    ...{ during: true, inJob: false, jobId: id, taskId: 't1', workflowId: 'w1', index: 0, attempt: 1 },
    ...{ token: `token-of-${id}`, url: pilots.server.url },
  })
})

test('a bundle that reaches out of its folder is refused', async () => {
  const pilot = await pilots.start()
  for (const path of ['../evil.mjs', '/tmp/evil.mjs', 'a/../../evil.mjs']) {
    const payload = {
      kind: 'function',
      bundle: pilots.server.bundle({ [path]: 'export const f = () => 1' }),
      module: 'm.mjs',
      export: 'f',
      language: 'node',
    } as const
    expect(await pilots.server.ended(pilots.server.submit({ payload }))).toMatchObject({
      what: 'failed',
      cause: 'bundle',
      error: { type: 'BundleInvalid' },
    })
  }
  expect(readdirSync(pilot.folder)).not.toContain('evil.mjs')
})

test('of a changed bundle only what changed is fetched', async () => {
  await pilots.start()
  const payloadOf = (files: Record<string, string>): Payload => ({
    kind: 'function',
    bundle: pilots.server.bundle(files),
    module: 'm.mjs',
    export: 'f',
    language: 'node',
  })
  const shared = { 'lib/shared.mjs': 'export const one = 1' }
  const body = (n: number) => `import { one } from './lib/shared.mjs'; export const f = () => one + ${n}`
  expect(
    valueIn(await pilots.server.ended(pilots.server.submit({ payload: payloadOf({ ...shared, 'm.mjs': body(1) }) }))),
  ).toBe(2)
  expect(
    valueIn(await pilots.server.ended(pilots.server.submit({ payload: payloadOf({ ...shared, 'm.mjs': body(2) }) }))),
  ).toBe(3)
  expect([...pilots.server.fetched.values()].every((count) => count === 1)).toBe(true)
  expect(pilots.server.fetched.size).toBe(5)
})

test('large values go by reference, both ways, and a shared one is fetched once', async () => {
  await pilots.start()
  const text = JSON.stringify({ a: ['x'.repeat(2_000_000)] })
  const common = { blob: pilots.server.store(text), bytes: text.length }
  const payload = pilots.work('return args[1] + args[0]')
  for (const word of ['a', 'b']) {
    const { value } = await pilots.server.ended(pilots.server.submit({ payload, common, args: [word] }))
    expect(value).toMatchObject({ bytes: 2_000_003 })
    expect(
      pilots.server.blobs
        .get((value as { blob: string }).blob)!
        .subarray(0, 3)
        .toString(),
    ).toBe(`"${word}x`)
  }
  expect(pilots.server.fetched.get(common.blob)).toBe(1)
})

test('what many jobs share is fetched once per pilot, also when they begin in several runners at once', async () => {
  await pilots.start({ slots: 4 })
  const text = JSON.stringify({ a: ['x'.repeat(2_000_000)] })
  const common = { blob: pilots.server.store(text), bytes: text.length }
  const payload = pilots.work('return [process.pid, args[0].length]')
  const jobs = Array.from({ length: 8 }, () => pilots.server.submit({ payload, common }))
  const values = await Promise.all(jobs.map(async (id) => valueIn(await pilots.server.ended(id)) as number[]))
  expect(new Set(values.map(([pid]) => pid)).size).toBeGreaterThan(1)
  expect(values.map(([, length]) => length)).toEqual(Array(8).fill(2_000_000))
  expect(pilots.server.fetched.get(common.blob)).toBe(1)
})

test('a process that ends in the middle of a job says how', async () => {
  await pilots.start()
  const left = await pilots.server.ended(
    pilots.server.submit({ payload: pilots.work('console.error("last words"); process.exit(7)') }),
  )
  expect(left).toMatchObject({
    cause: 'runner',
    exitCode: 7,
    error: { message: expect.stringMatching(/exit code 7.*last words/s) },
  })
  const killed = await pilots.server.ended(
    pilots.server.submit({ payload: pilots.work('process.kill(process.pid, "SIGKILL"); await fileAt("/never")') }),
  )
  expect(killed).toMatchObject({ cause: 'runner', signal: 'SIGKILL' })
})

test('the interpreter of the caller is looked for on the local queue alone', async () => {
  await pilots.start({ queue: 'farm' })
  const bundle = pilots.server.bundle({ 'm.py': 'def f(x):\n    return x + 1' }, 'python')
  const payload = { kind: 'function', bundle, module: 'm', export: 'f', language: 'python' } as const
  const id = pilots.server.submit({ payload: { ...payload, interpreter: '/no/python' }, args: [1] })
  expect(valueIn(await pilots.server.ended(id))).toBe(2)
})

test('a missing interpreter, and one without the runner, are the fault of the place', async () => {
  await pilots.start({ pythonPath: '/no/such/folder' })
  const payload = {
    kind: 'function',
    bundle: pilots.server.bundle({ 'm.py': '' }, 'python'),
    module: 'm',
    export: 'f',
    language: 'python',
  } as const
  const missing = await pilots.server.ended(
    pilots.server.submit({ payload: { ...payload, interpreter: '/no/python' } }),
  )
  expect(missing).toMatchObject({
    cause: 'site',
    error: { type: 'RunnerMissing', message: expect.stringContaining('/no/python') },
  })
  const bare = await pilots.server.ended(pilots.server.submit({ payload }))
  expect(bare).toMatchObject({
    cause: 'site',
    error: { message: expect.stringMatching(/did not come up.*No module named/s) },
  })
})

test('memory and cores of a job are told while it runs and once at its end, and of a short one never', async () => {
  await pilots.start({ courseSeconds: 0.5 })
  const busy = command('sh', '-c', 'while [ ! -e "$1" ]; do :; done', 'sh')
  const go = join(pilots.scratch, 'go')
  const long = pilots.server.submit({ payload: busy, args: [go], memoryMb: 1000 })
  const short = pilots.server.submit({ payload: command('true'), memoryMb: 1000 })
  const told = (jobId: string) => pilots.server.told.courses.filter((course) => course.jobId === jobId)
  await pilots.server.until('what it used until now, twice', () => told(long).length >= 2)
  writeFileSync(go, '')
  const before = told(long).length
  const { usage } = await pilots.server.ended(long)
  await pilots.server.until('all that it used', () => told(long).length > before)
  await pilots.server.ended(short)
  const { attempt, points } = told(long).at(-1)!
  expect(attempt).toBe(1)
  expect(points.length).toBeGreaterThan(told(long)[0]!.points.length)
  const [seconds, memoryMb, cores] = points.at(-1)!
  expect(seconds).toBeGreaterThan(0.5)
  expect(seconds).toBeLessThanOrEqual(usage!.wallSeconds!)
  expect(Math.max(...points.map((point) => point[1]))).toBeLessThanOrEqual(usage!.maxRssMb!)
  expect(memoryMb).toBeGreaterThan(0)
  expect(cores).toBeGreaterThanOrEqual(0)
  expect(told(short)).toEqual([])
})
