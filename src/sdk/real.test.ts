import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../test/support/server.ts'
import { files } from '../main/files.ts'
import { runPilot } from '../pilot/pilot.ts'
import { installSdk } from './testing/installSdk.ts'
import { runProgram } from './testing/runProgram.ts'

let server: TestServer
let sdk: Awaited<ReturnType<typeof installSdk>>
const stop = new AbortController()
let pilotEnded: Promise<void>
let folder: string
beforeAll(async () => {
  server = await startTestServer()
  sdk = await installSdk()
  folder = await mkdtemp(join(tmpdir(), 'culm-pilot-'))
  pilotEnded = runPilot({
    client: server.pilot,
    token: server.pilotToken,
    name: 'p',
    queue: 'local',
    slots: 1,
    folder,
    host: 'h',
    version: '0',
    environment: { PATH: process.env.PATH, HOME: process.env.HOME },
    pythonPath: files.pythonPath,
    nodeRunner: files.nodeRunner,
    secondThread: files.secondThread,
    signal: stop.signal,
    killSignal: stop.signal,
    log: { debug() {}, info() {}, warn: (...a) => console.log(...a), error: (...a) => console.log(...a) },
  }) as never
  pilotEnded.catch((e) => console.log('pilot', e))
})
afterAll(async () => {
  stop.abort()
  await pilotEnded.catch(() => {})
  await rm(folder, { recursive: true, force: true })
  await sdk.remove()
})

const run = (program: string) =>
  runProgram([process.execPath, program], {
    cwd: sdk.folder,
    env: { CULM_SERVER: server.url, CULM_TOKEN: server.userToken },
    limitSeconds: 60,
  })

test('real', async () => {
  await sdk.write({
    'w.mjs': `import { work, workflow } from 'culm'
export const square = work((x) => x * x)
export const echo = work((x) => x)
export const fail = work((x) => { throw new TypeError('no ' + x) })
export const main = workflow(async (n) => (await square.map(Array.from({length:n},(_, i)=>i))).reduce((a,b)=>a+b,0))
export const leaf = work((x) => x + 1)
export const branch = work(async (x) => { const [a, b] = await Promise.all([leaf(x), leaf(x)]); return a + b })
export const tree = work(async (x) => (await branch.map([x, x + 1])).reduce((a, b) => a + b))
`,
    'm.mjs': `import { inspect } from 'node:util'; import { echo, fail, main, square, tree } from './w.mjs'
const time = async (name, f) => { const t=performance.now(); const r = await f(); console.log(name, inspect(r, { depth: 9 }).slice(0, 1500), (performance.now()-t).toFixed(1)) }
await time('first', () => square(3))
await time('second', () => square(3))
const l=[]; for (let i=0;i<100;i++) { const v=performance.now(); await square(i); l.push(performance.now()-v) }
l.sort((a,b)=>a-b); console.log('p50', l[50].toFixed(2), 'p95', l[95].toFixed(2))
await time('all', async () => (await Promise.all(Array.from({length:100},(_, i)=>square(i)))).length)
await time('map', async () => (await square.map(Array.from({length:120},(_, i)=>i))).length)
await time('main', () => main(10))
await time('values', () => echo({ d: new Date(0), s: new Set([1]), u: new Uint8Array([1,2]), big: 10n, m: new Map([[1,{a:undefined}]]) }))
await time('large', async () => (await echo('x'.repeat(2_000_000))).length)
await time('fail', () => fail(1).catch((e) => e.stack))
await time('tree', () => tree(1))
await time('tree', () => tree(2))
await time('settle', async () => (await square.map([1,2]).settle()))
const slow = square.with({ after: [square(1)] })(2)
await time('after', () => slow)
await time('afterfail', () => square.with({ after: [fail(1)] })(2).catch((e) => [e.kind, e.message]))
await time('unknown queue', () => square.with({ queue: 'nope' })(2).catch((e) => [e.code, e.message]))
`,
  })
  console.log(await run('m.mjs'))
}, 80000)
