import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { NewTask } from '../contract/tasks.ts'
import { type Ended, type FakeServer, type FakeServerOptions, startFakeServer } from './testing/fakeServer.ts'
import { installSdk } from './testing/installSdk.ts'
import { runProgram } from './testing/runProgram.ts'

/**
 * Whole programs that use the installed package, run by plain Node and by tsx: how modules are loaded is part of what
 * is tested.
 */

let sdk: Awaited<ReturnType<typeof installSdk>>
let server: FakeServer
beforeAll(async () => {
  sdk = await installSdk()
})
afterAll(() => sdk.remove())
afterEach(() => server.close())

const tsx = fileURLToPath(new URL('../../node_modules/tsx/dist/cli.mjs', import.meta.url))

const run = async (program: string, options: FakeServerOptions = {}) => {
  server = await startFakeServer(options)
  return again(program)
}

const again = (program: string) => {
  const command = program.endsWith('ts') ? [process.execPath, tsx, program] : [process.execPath, program]
  return runProgram(command, { cwd: sdk.folder, env: { CULM_SERVER: server.url, CULM_TOKEN: 'secret' } })
}

/** Runs jobs in this process, by the name of their export: for what the bundle has no part in. */
const functions: Record<string, (...args: never[]) => unknown> = {
  square: (x: number) => x * x,
  add: (a: number, b: number) => a + b,
  size: (text: string) => text.length,
  text: (length: number) => 'x'.repeat(length),
  picky: (x: number) => {
    if (x % 2 === 1) throw new TypeError(`${x} is odd`)
    return x
  },
  falsy: (which: number) => [null, false, 0, '', []][which],
  fit: (x: number) => x,
}
const inThisProcess: FakeServerOptions = {
  slots: 100,
  run: async ({ task, argsText }): Promise<Ended> => {
    const common = task.common && 'text' in task.common ? JSON.parse(task.common.text).a : []
    try {
      const { payload } = task
      return {
        text: JSON.stringify(
          functions[payload.kind === 'function' ? payload.export : '']!(
            ...([...common, ...JSON.parse(argsText).a] as never[]),
          ),
        ),
      }
    } catch (error) {
      return { error: { type: 'TypeError', message: (error as Error).message, stack: (error as Error).stack } }
    }
  },
}
const works = Object.keys(functions).map((name) => `export const ${name} = work((x) => x)`)
const workFile = `import { work } from 'culm'\n${works.join('\n')}\n`

test('works are found by module and export in ES modules, also those of a script that calls them from its top level', async () => {
  await sdk.write({
    'esm/lib.mjs': `
      import { work } from 'culm'
      const inner = work((x) => x + 1)
      export { inner as renamed }
      export const [first] = [work((x) => x - 1)]
      export const square = work((x) => x * x)
      export const heavy = square.with({ memoryMb: 500 })
      export default work((x) => -x)`,
    'esm/main.mjs': `
      import { work } from 'culm'
      import minus, { first, heavy, renamed, square } from './lib.mjs'
      export const cube = work((x) => x ** 3)
      if (process.argv[1] === import.meta.filename) {
        console.log(await Promise.all([square(3), renamed(3), minus(3), heavy(3), cube(3), first(3)]))
      }`,
  })
  const { code, out, err } = await run('esm/main.mjs')
  expect(err).toBe('')
  expect(out).toBe('[ 9, 4, -3, 9, 27, 2 ]\n')
  expect(code).toBe(0)
  expect(server.runs.map((ran) => ran.export).sort()).toEqual([
    'cube',
    'default',
    'first',
    'renamed',
    'square',
    'square',
  ])
  expect([...server.tasks.values()].map(({ memoryMb }) => memoryMb).filter(Boolean)).toEqual([500])
})

test('works are found in CommonJS modules, also in the main one', async () => {
  await sdk.write({
    'cjs/lib.cjs': `const { work } = require('culm'); exports.square = work((x) => x * x)`,
    'cjs/main.cjs': `
      const { work } = require('culm')
      const { square } = require('./lib.cjs')
      const cube = work((x) => x ** 3)
      module.exports = { cube }
      if (require.main === module) Promise.all([square(3), cube(3)]).then(console.log)`,
  })
  const { code, out, err } = await run('cjs/main.cjs')
  expect(err).toBe('')
  expect(out).toBe('[ 9, 27 ]\n')
  expect(code).toBe(0)
})

test.for(['module', 'commonjs'])(
  'works are found in TypeScript that tsx runs (type: %s); traces and refusals have its lines',
  async (type) => {
    await sdk.write({
      [`${type}/package.json`]: JSON.stringify({ type }),
      [`${type}/lib.ts`]: `import { work } from 'culm'

interface Point { x: number }

export const square = work((p: Point): number => {
  if (p.x < 0) throw new RangeError('negative')
  return p.x * p.x
})

const hidden = work((p: Point) => p)
export const callHidden = () => hidden({ x: 1 })
`,
      [`${type}/main.ts`]: `
      import { callHidden, square } from './lib.ts'
      const main = async (): Promise<void> => {
        console.log(await square({ x: 3 }))
        await square({ x: -1 }).catch((error) => console.log(error.remoteType, error.kind, error.remoteStack))
        await callHidden().catch((error) => console.log(error.code, error.message))
      }
      void main()`,
    })
    const { out, err, code } = await run(`${type}/main.ts`)
    const lib = `${sdk.folder}/${type}/lib.ts`
    expect(err).toBe('')
    expect(out).toContain(`9\nRangeError user RangeError: negative\n    at Object.fn (${lib}:6:`)
    expect(out).toMatch(/work_not_exported .*export const name = work/)
    expect(out).toContain(`${lib}:10:16 `)
    expect(code).toBe(0)
    expect(server.askedFor('submitTask')).toHaveLength(2)
  },
)

test('works that call works finish on one slot, three levels deep, and share their modules', async () => {
  await sdk.write({
    'nested/shapes.mjs': `
      export class Leaf { constructor(n) { this.n = n } }
      export const seen = []`,
    'nested/leaf.mjs': `
      import { work } from 'culm'
      import { Leaf, seen } from './shapes.mjs'
      export const leaf = work((n) => { seen.push(n); return new Leaf(n).n * 2 })`,
    'nested/tree.mjs': `
      import { work } from 'culm'
      import { leaf } from './leaf.mjs'
      import { Leaf, seen } from './shapes.mjs'
      export const branch = work(async (n) => {
        const [a, b] = await Promise.all([leaf(n), leaf(n + 1)])
        // The plain function runs here: its module must be the one of this job, not a copy.
        const before = seen.length
        leaf.local(7)
        return a + b + (seen.length === before + 1 ? 0 : 1000)
      })
      export const tree = work(async (n) => {
        let sum = 0
        for await (const { value } of branch.map([n, n + 10])) sum += value
        return sum
      })`,
    'nested/main.mjs': `
      import { tree } from './tree.mjs'
      console.log(await tree(1))`,
  })
  const { out, err, code } = await run('nested/main.mjs', { slots: 1 })
  expect(err).toBe('')
  expect(out).toBe(`${2 * (1 + 2) + 2 * (11 + 12)}\n`)
  expect(code).toBe(0)
  expect(server.runs.map((ran) => ran.export).sort()).toEqual([
    'branch',
    'branch',
    'leaf',
    'leaf',
    'leaf',
    'leaf',
    'tree',
  ])
  const [top, ...inner] = server.askedFor('submitTask').map(({ body, token }) => ({ ...(body as NewTask), token }))
  expect(top).toMatchObject({ token: 'Bearer secret', call: { epoch: 1 } })
  for (const task of inner) {
    expect(task.token).toMatch(/^Bearer token-of-j/)
    expect(task.workflowId).toBe(top!.workflowId)
    expect(task.payload).toMatchObject({ bundle: (top!.payload as { bundle: string }).bundle })
  }
})

test('a call at the top level of a module fails in the job that imports it, and says what to do', async () => {
  await sdk.write({
    'toplevel.mjs': `import { work } from 'culm'\nexport const square = work((x) => x * x)\nconsole.log(await square(3))\n`,
  })
  const { code, err } = await run('toplevel.mjs')
  expect(code).toBe(1)
  expect(err).toMatch(/RemoteError: a work was called at the top level of its module/)
})

test('a workflow function gives its calls to one workflow, which ends with its value or its error', async () => {
  await sdk.write({
    'flow/works.mjs': workFile,
    'flow/main.mjs': `
      import { workflow } from 'culm'
      import { picky, square } from './works.mjs'
      export const sum = workflow(async (n) => {
        const parts = await Promise.all([square(n), square.map([1, 2])])
        return parts.flat().reduce((a, b) => a + b)
      })
      export const fails = workflow(async () => picky(3), { name: 'will fail' })
      export const outer = workflow(async () => [await sum(0), await square(1)])
      console.log(await sum(3))
      await fails().catch((error) => console.log(error.message))
      await workflow(async () => { throw new RangeError('\\0 \\ud800') }, { name: 'odd' })().catch(() => {})
      console.log(await square(5), await outer())`,
  })
  const { out, err, code } = await run('flow/main.mjs', inThisProcess)
  expect(err).toBe('')
  expect(out).toBe('14\n3 is odd\n25 [ 5, 1 ]\n')
  expect(code).toBe(0)
  const workflows = [...server.workflows.values()]
  expect(workflows).toEqual([
    expect.objectContaining({
      name: 'sum',
      kind: 'function',
      state: 'done',
      ended: expect.objectContaining({ value: { text: '14' } }),
    }),
    expect.objectContaining({
      name: 'will fail',
      state: 'failed',
      ended: expect.objectContaining({
        error: expect.objectContaining({
          type: 'RemoteError',
          message: '3 is odd',
          stack: expect.stringMatching(/main\.mjs.*TypeError/s),
        }),
      }),
    }),
    expect.objectContaining({
      name: 'odd',
      ended: expect.objectContaining({
        error: expect.objectContaining({ type: 'RangeError', message: '\ufffd \ufffd' }),
      }),
    }),
    expect.objectContaining({ name: 'main.mjs', kind: 'session', state: 'done' }),
    expect.objectContaining({ name: 'outer', kind: 'function', state: 'done' }),
    expect.objectContaining({ name: 'sum', kind: 'function', state: 'done' }),
  ])
  const [sum, fails, , session, outer, inner] = [...server.workflows.keys()]
  const owners = [...server.tasks.values()].map((task) => task.workflowId)
  expect(owners).toEqual([sum, sum, fails, session, inner, inner, outer])
})

test('a workflow function that is no export runs at once, also while its module is on its way', async () => {
  await sdk.write({
    'inline/package.json': '{"name":"inline"}',
    'inline/works.mjs': workFile,
    'inline/main.mjs': `
      import { workflow } from 'culm'
      import { square } from './works.mjs'
      const began = performance.now()
      const main = workflow(async (n) => square(n))
      console.log(await main(2), await main(3), await workflow(() => square(4))())
      console.log(performance.now() - began < 9000)`,
  })
  expect(await run('inline/main.mjs', inThisProcess)).toMatchObject({ out: '4 9 16\ntrue\n', err: '', code: 0 })
  await again('inline/main.mjs')
  const runs = server.askedFor('createWorkflow').map(({ body }) => (body as { run: { key: string } }).run)
  expect(runs.map(({ key }) => key)).toEqual(
    [1, 2].flatMap(() => ['main:0', 'main:1', 'workflow:0'].map((key) => `inline/main.mjs#${key}`)),
  )
})

const submitted = {
  'submitted/flow.mjs': `
      import { work, workflow } from 'culm'
      export const square = work((x) => x * x)
      export const sum = workflow(async (n) => {
        const squares = await square.map(Array.from({ length: n }, (_, i) => i))
        return squares.reduce((a, b) => a + b, 0)
      }, { name: 'adder', memoryMb: 300 })
      export const far = workflow(async (n) => {
        const call = sum.submit(n)
        return [await call, await call.workflowId]
      }, { local: false })
      export const failing = workflow(async () => { throw new RangeError('as asked') })
      export const stuck = workflow(() => new Promise(() => {}))`,
}

test('a workflow function runs as a job: of a workflow of its own, or of that of the job which submits it', async () => {
  await sdk.write({
    ...submitted,
    'submitted/main.mjs': `
      import { failing, far, sum } from './flow.mjs'
      const call = sum.submit(4)
      console.log(await call.workflowId, (await call.jobId)[0], await call, await call)
      const [value, workflowId] = await far(3)
      console.log(value, workflowId === await call.workflowId)
      await failing.submit().catch(({ name, kind, remoteType, message }) => console.log(name, kind, remoteType, message))`,
  })
  const { out, err, code } = await run('submitted/main.mjs', { slots: 1 })
  expect(err).toBe('')
  expect(out).toMatch(/^w\d+ j 14 14\n5 false\nRemoteError user RangeError as asked\n$/)
  expect(code).toBe(0)
  const kinds = [...server.workflows.values()] as { kind?: string; name?: string }[]
  expect(kinds.map(({ kind, name }) => [kind, name])).toEqual([
    ['job', 'adder'],
    ['job', 'far'],
    ['job', 'failing'],
  ])
  expect([...server.tasks.values()].map(({ name, memoryMb }) => [name, memoryMb])).toEqual([
    ['adder', 300],
    ['square', undefined],
    ['far', undefined],
    ['adder', 300],
    ['square', undefined],
    ['failing', undefined],
  ])
})

test('whoever submits a workflow function need not wait, and may cancel it', async () => {
  await sdk.write({
    ...submitted,
    'submitted/leaves.mjs': `
      import { stuck } from './flow.mjs'
      const call = stuck.submit()
      await call.workflowId
      if (process.argv[2] === 'cancel') {
        await call.cancel()
        await call.catch(({ kind }) => console.log(kind))
      }`,
    'submitted/refused.mjs': `
      import { workflow } from 'culm'
      const hidden = workflow(async () => 1)
      await hidden.submit().catch(({ code }) => console.log(code))`,
  })
  expect(await run('submitted/leaves.mjs')).toMatchObject({ out: '', err: '', code: 0 })
  const [{ run: first }] = [...server.workflows.values()] as unknown as [{ run: { key: string; code: string } }]
  expect(first).toMatchObject({ key: expect.stringMatching(/flow\.mjs\S*#stuck@job:0$/), code: expect.any(String) })
  const command = [process.execPath, 'submitted/leaves.mjs', 'cancel']
  const env = { CULM_SERVER: server.url, CULM_TOKEN: 'secret' }
  expect(await runProgram(command, { cwd: sdk.folder, env })).toMatchObject({ out: 'cancelled\n', err: '' })
  expect(await again('submitted/refused.mjs')).toMatchObject({ out: 'work_not_exported\n', err: '', code: 0 })
})

test('maps give values in order, as they come, with common arguments, and settled', async () => {
  await sdk.write({
    'maps/works.mjs': workFile,
    'maps/main.mjs': `
      import { add, picky, square } from './works.mjs'
      const big = await square.map(Array.from({ length: 2500 }, (_, i) => i))
      console.log(big.length, big[2499])
      console.log(await square.map([]))
      console.log(await add.starmap([[1, 2], [3, 4]]), await add.map([1, 2], { common: [10] }))
      const came = []
      for await (const { index, value } of square.map([1, 2, 3])) came[index] = value
      console.log(came)
      const settled = await picky.map([1, 2]).settle()
      console.log(settled.map(({ state, value, error }) => value ?? state + ' ' + error.kind + ': ' + error.message))
      await picky.map([2, 3, 5]).catch((error) => console.log(error.message))`,
  })
  const { out, err, code } = await run('maps/main.mjs', inThisProcess)
  expect(err).toBe('')
  expect(out).toBe("2500 6245001\n[]\n[ 3, 7 ] [ 11, 12 ]\n[ 1, 4, 9 ]\n[ 'failed user: 1 is odd', 2 ]\n3 is odd\n")
  expect(code).toBe(0)
  expect(server.askedFor('addJobs').map(({ body }) => body)).toEqual([
    expect.objectContaining({ firstIndex: 1000, close: false }),
    expect.objectContaining({ firstIndex: 2000, close: true }),
  ])
})

test('a map is in the order of its arguments, and comes in the order of its ends', async () => {
  await sdk.write({
    'order/works.mjs': workFile,
    'order/main.mjs': `
      import { square } from './works.mjs'
      const map = square.map([3, 1, 2])
      const came = []
      for await (const { index } of map) came.push(index)
      console.log(came.at(-1), await map)`,
  })
  let others = 0
  let release = () => {}
  const othersEnded = new Promise<void>((resolve) => {
    release = resolve
  })
  const { out, err } = await run('order/main.mjs', {
    slots: 100,
    run: async (job) => {
      if (job.index === 0) await othersEnded
      else if (++others === 2) setImmediate(release)
      return inThisProcess.run!(job)
    },
  })
  expect({ out, err }).toEqual({ out: '0 [ 9, 1, 4 ]\n', err: '' })
})

test('falsy values are values, alone and in maps', async () => {
  await sdk.write({
    'falsy/works.mjs': workFile,
    'falsy/main.mjs': `
      import { workflow } from 'culm'
      import { falsy } from './works.mjs'
      const all = [0, 1, 2, 3, 4]
      console.log(await Promise.all(all.map((which) => falsy(which))), await falsy.map(all))
      for await (const { index, value } of falsy.map([1])) console.log(index, value)
      console.log((await falsy.map([0]).settle())[0].value)
      console.log(await workflow(() => falsy(2), { name: 'none' })())`,
  })
  const { out, err, code } = await run('falsy/main.mjs', inThisProcess)
  const all = "[ null, false, 0, '', [] ]"
  expect({ out, err, code }).toEqual({ out: `${all} ${all}\n0 false\nnull\n0\n`, err: '', code: 0 })
})

test('large arguments and results go by their hash, and are fetched when they are looked at', async () => {
  await sdk.write({
    'large/works.mjs': workFile,
    'large/main.mjs': `
      import { size, text } from './works.mjs'
      console.log(await size('é'.repeat(700_000)), (await text(3_000_000)).length)
      for await (const { value } of text.map([2_000_000, 2_000_000])) {
        console.log(value.length)
        break
      }
      console.log((await text.map([1_500_000, 3]).settle()).map(({ value }) => value.length))`,
  })
  const { out, code } = await run('large/main.mjs', inThisProcess)
  expect(out).toBe('700000 3000000\n2000000\n[ 1500000, 3 ]\n')
  expect(code).toBe(0)
  expect(server.askedFor('createBlob')).toHaveLength(1)
  expect(server.askedFor('getBlob')).toHaveLength(3)
})

test('uses may follow others, have options of their own, and be cancelled', async () => {
  await sdk.write({
    'uses/works.mjs': workFile,
    'uses/main.mjs': `
      import { square, size } from './works.mjs'
      const first = square(2)
      const map = square.map([1])
      const second = square.with({ after: [first, map], queue: 'cern', attempts: { user: 3 } })(3)
      console.log(await second, (await second.jobId)[0])
      const stuck = size('stuck')
      await stuck.cancel()
      await stuck.catch(({ kind, name }) => console.log(name, kind))`,
  })
  const { run: real } = inThisProcess
  const { out, err, code } = await run('uses/main.mjs', {
    slots: 100,
    run: (job) => (job.argsText.includes('stuck') ? new Promise(() => {}) : real!(job)),
  })
  expect(err).toBe('')
  expect(out).toBe('9 j\nRemoteError cancelled\n')
  expect(code).toBe(0)
  const [first, map, second] = [...server.tasks.values()]
  expect(second).toMatchObject({
    after: [first!.taskId, map!.taskId],
    queue: 'cern',
    attempts: { user: 3, site: 3, lost: 5 },
    name: 'square',
  })
})

test('a work says where it runs, and a workflow function where the works run that it calls', async () => {
  await sdk.write({
    'where/lock.txt': 'numpy==1.26.4\n',
    'where/flow.mjs': `
      import { work, workflow } from 'culm'
      export const square = work((x) => x, { requirements: 'lock.txt', image: 'host' })
      export const main = workflow(() => square(1), { initEnv: 'source setup.sh' })`,
    'where/main.mjs': `
      import { main } from './flow.mjs'
      console.log(await main())`,
  })
  expect(await run('where/main.mjs', inThisProcess)).toMatchObject({ out: '1\n', err: '' })
  const [task] = [...server.tasks.values()]
  expect(task!.payload.environment).toEqual({ requirements: 'numpy==1.26.4\n', image: 'host' })
  expect(server.askedFor('createWorkflow')[0]!.body).toMatchObject({ environment: { initEnv: 'source setup.sh' } })
})

test('a program that runs again asks under the same keys', async () => {
  await sdk.write({
    'again/package.json': '{"name":"again"}',
    'again/works.mjs': workFile,
    'again/main.mjs': `
      import { workflow } from 'culm'
      import { square, add } from './works.mjs'
      export const main = workflow(async () => {
        await Promise.all([square(1), add(1, 2), square(1), square(2), square.map([1, 2])])
        return square(1)
      })
      await main()`,
  })
  await run('again/main.mjs', inThisProcess)
  await again('again/main.mjs')
  const keys = server.askedFor('submitTask').map(({ body }) => (body as NewTask).call!.key)
  expect(keys).toHaveLength(12)
  expect(keys.slice(0, 6).sort()).toEqual(keys.slice(6).sort())
  const [, hash] = keys[0]!.split(':')
  expect(
    keys
      .filter((key) => key.includes(hash!))
      .sort()
      .slice(0, 3),
  ).toEqual([0, 0, 1].map((n) => `again/works.mjs#square:${hash}:${n}`))
  expect(new Set(server.askedFor('submitTask').map(({ key }) => key)).size).toBe(12)
})

test('a program ends by itself soon after its last line, also when nobody awaited a call', async () => {
  await sdk.write({
    'ends/works.mjs': workFile,
    'ends/main.mjs': `
      import { square } from './works.mjs'
      console.log(await square(3))
      square(4)
      const last = performance.now()
      process.on('exit', () => console.log(performance.now() - last < 1000))`,
  })
  const { out, err, code } = await run('ends/main.mjs', inThisProcess)
  expect(err).toBe('')
  expect(out).toBe('9\ntrue\n')
  expect(code).toBe(0)
  expect([...server.tasks.values()].flatMap(({ outcomes }) => outcomes)).toHaveLength(2)
  expect([...server.workflows.values()]).toEqual([expect.objectContaining({ state: 'done' })])
})

test('a call that never reached the server is not lost in silence, one whose job failed is on record there', async () => {
  await sdk.write({
    'silent/works.mjs': workFile,
    'silent/main.mjs': `
      import { work } from 'culm'
      import { picky, square } from './works.mjs'
      picky(1)
      console.log(await square(3))
      const hidden = work(() => 1)
      hidden()`,
  })
  const { out, err, code } = await run('silent/main.mjs', inThisProcess)
  expect(out).toBe('9\n')
  expect(err).toMatch(/Fault: the work defined at .*\n\s+at .*main\.mjs:7:7/)
  expect(err).toMatch(/work_not_exported/)
  expect(code).toBe(1)
})

test('a file is compiled, imported and driven in one process, as `culm run` does', async () => {
  await sdk.write({
    'driven/hello.ts': `import { work, workflow } from 'culm'\nimport { square } from './square'\nexport const cube = work(async (x: number) => x * (await square(x)))\nexport const main = workflow(async (n: number) => (await cube(n)) + (await square(n)))\n`,
    'driven/square.ts': `import { work } from 'culm'\nexport const square = work((x: number): number => x * x)\n`,
    'driven/run.mjs': `
      import { loadBundled } from 'culm/loadBundled'
      const { exports, remove } = await loadBundled('driven/hello.ts')
      console.log(await exports.main(3))
      await remove()`,
  })
  const { out, err, code } = await run('driven/run.mjs', { slots: 1 })
  expect(err).toBe('')
  expect(out).toBe('36\n')
  expect(code).toBe(0)
  expect(server.runs.map((ran) => ran.export)).toEqual(['cube', 'square', 'square'])
  expect(server.askedFor('createBundle')).toHaveLength(2)
})

test('the example runs as TypeScript and as JavaScript', async () => {
  const example = await readFile(fileURLToPath(new URL('../../examples/hello/hello.ts', import.meta.url)), 'utf8')
  const { code: javascript } = await transform(example, { loader: 'ts' })
  await sdk.write({
    'example/hello.ts': example,
    'example/hello.mjs': javascript,
    'example/js.mjs': `import { main } from './hello.mjs'\nconsole.log(await main(3))\n`,
    'example/ts.mjs': `import { loadBundled } from 'culm/loadBundled'\nconst { exports } = await loadBundled('example/hello.ts')\nconsole.log(await exports.main(3))\n`,
  })
  expect(await run('example/js.mjs')).toMatchObject({ code: 0, out: '14\n', err: '' })
  expect(await again('example/ts.mjs')).toMatchObject({ code: 0, out: '14\n', err: '' })
})

test('a job loads little of the SDK, and nothing of what makes calls', async () => {
  await sdk.write({
    // undici sets this global when it is imported.
    'light/works.mjs': `import { work } from 'culm'\nexport const loaded = work(() => Symbol.for('undici.globalDispatcher.1') in globalThis)\n`,
    'light/main.mjs': `import { loaded } from './works.mjs'\nconsole.log(await loaded(), loaded.local())\n`,
  })
  expect(await run('light/main.mjs')).toMatchObject({ out: 'false true\n', err: '' })
})
