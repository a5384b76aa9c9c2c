import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runProgram } from '../testing/runProgram.ts'
import { buildBundle } from './buildBundle.ts'

let scratch: string
beforeAll(async () => {
  scratch = await realpath(await mkdtemp(join(tmpdir(), 'culm-build-')))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

const write = async (folder: string, files: Record<string, string | Uint8Array>): Promise<string> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(scratch, folder, path)), { recursive: true })
    await writeFile(join(scratch, folder, path), text)
  }
  return join(scratch, folder)
}

/**
 * Builds a module, unpacks the bundle elsewhere, and gives what plain Node prints for an expression on the imported
 * entry.
 */
const evaluate = async (file: string, expression: string) => {
  const { files, modules } = await buildBundle(file)
  const folder = await mkdtemp(join(scratch, 'unpacked-'))
  for (const [path, content] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  const entry = pathToFileURL(join(folder, modules.get(file)!)).href
  const code = `const m = await import(${JSON.stringify(entry)}); console.log(await (${expression}))`
  const { out, err } = await runProgram([process.execPath, '--enable-source-maps', '--input-type=module', '-e', code], {
    cwd: folder,
  })
  return { out: out.trim(), err: err.replaceAll(folder, '') }
}

const project = {
  'src/main.ts': `import { work } from 'culm'\nimport { scale } from './deep/scale'\nimport pad from 'pad'\nexport const f = work((x: number) => pad(scale(x)))\n`,
  'src/deep/scale.ts': `export const scale = (x: number): number => 10 * x\n`,
  'node_modules/pad/package.json': '{"name":"pad","main":"index.js"}',
  'node_modules/pad/index.js': `const path = require('path'); module.exports = (x) => path.join('/', String(x))\n`,
}

test('the same sources give the same bundle in any folder, and no path of this machine is in it', async () => {
  const here = await write('here', project)
  await cp(here, join(scratch, 'a/much/deeper/place'), { recursive: true })
  const [one, two] = await Promise.all(
    [here, join(scratch, 'a/much/deeper/place')].map((root) => buildBundle(join(root, 'src/main.ts'))),
  )
  expect(two!.hash).toBe(one!.hash)
  for (const [path, content] of one!.files) expect(Buffer.from(content).includes(scratch), path).toBe(false)
  expect([...one!.modules.values()].sort()).toEqual(['deep/scale.js', 'main.js'])
})

test('a change anywhere in the sources changes the bundle', async () => {
  const root = await write('changed', project)
  const before = await buildBundle(join(root, 'src/main.ts'))
  await write('changed', { 'src/deep/scale.ts': `export const scale = (x: number): number => 11 * x\n` })
  expect((await buildBundle(join(root, 'src/main.ts'))).hash).not.toBe(before.hash)
})

test('a bundle runs without an installation: packages, CommonJS ones too, are in it', async () => {
  const root = await write('runs', project)
  expect(await evaluate(join(root, 'src/main.ts'), 'm.f.local(4)')).toEqual({ out: '/40', err: '' })
})

test('modules that make their own require and __dirname, and those that expect them, live together', async () => {
  const root = await write('names', {
    'esm.ts': `
      import { createRequire } from 'node:module'
      import { dirname } from 'node:path'
      import { fileURLToPath } from 'node:url'
      import old from './old.cjs'
      const require = createRequire(import.meta.url)
      const __dirname = dirname(fileURLToPath(import.meta.url))
      export const all = () => [typeof require('node:fs').readFileSync, typeof __dirname, ...old.all()].join()`,
    'old.cjs': `const fs = require('fs'); exports.all = () => [typeof fs.readFileSync, typeof __dirname, typeof __filename, typeof require.resolve]`,
  })
  expect(await evaluate(join(root, 'esm.ts'), 'm.all()')).toEqual({
    out: 'function,string,function,string,string,function',
    err: '',
  })
})

test('each module exists once, and is found under its own name', async () => {
  const root = await write('once', {
    'a.ts': `import { count } from './shared'\nimport { b } from './b'\nexport const a = () => [count(), b()]\n`,
    'b.ts': `import { count } from './shared'\nexport const b = () => count()\n`,
    'shared.ts': `let n = 0\nexport const count = () => ++n\n`,
  })
  const file = join(root, 'a.ts')
  const { files } = await buildBundle(file)
  const { modules, contents } = JSON.parse(Buffer.from(files.get('culm.json')!).toString())
  expect(modules).toEqual({ 'a.ts': 'a.js', 'b.ts': 'b.js', 'shared.ts': 'shared.js' })
  expect(Object.values(contents).flat().sort()).toEqual(['a.ts', 'b.ts', 'shared.ts'])
  expect(
    await evaluate(
      file,
      `(async () => [m.a(), (await import('./b.js')).b(), (await import('./shared.js')).count()].join())()`,
    ),
  ).toEqual({ out: '1,2,3,4', err: '' })
})

test('works of packages are found too', async () => {
  const root = await write('published', {
    'main.ts': `import { tool } from 'tools'\nimport pad from 'pad'\nexport const f = () => tool.local(pad(1))\n`,
    'node_modules/tools/package.json': '{"name":"tools","type":"module","main":"lib/index.js"}',
    'node_modules/tools/lib/index.js': `import { work } from 'culm'\nexport const tool = work((x) => x + '!')\n`,
    'node_modules/pad/index.js': `module.exports = (x) => '0' + x\n`,
  })
  const tool = join(root, 'node_modules/tools/lib/index.js')
  const { modules } = await buildBundle(join(root, 'main.ts'))
  expect([...modules.values()].sort()).toEqual(['main.js', 'packages/tools/lib/index.js'])
  expect(
    await evaluate(
      join(root, 'main.ts'),
      `(async () => m.f() + (await import('./packages/tools/lib/index.js')).tool.local(2))()`,
    ),
  ).toEqual({ out: '01!2!', err: '' })
  expect(await evaluate(tool, `m.tool.local(3)`)).toEqual({ out: '3!', err: '' })
})

test('a module and its namesake with another ending both have a place', async () => {
  const root = await write('twins', {
    'a.ts': `import x from './a.mjs'\nexport const y = x + 1\n`,
    'a.mjs': `export default 1\n`,
  })
  expect((await buildBundle(join(root, 'a.ts'))).modules).toEqual(
    new Map([
      [join(root, 'a.mjs'), 'a.mjs.js'],
      [join(root, 'a.ts'), 'a.ts.js'],
    ]),
  )
})

test('errors bear the lines of the sources, and classes their names', async () => {
  const root = await write('traces', {
    'main.ts': `import { Boom } from 'booms/one.js'\ntype X = number\n\nexport const f = (x: X) => {\n  throw new Boom('no')\n}\n`,
    'node_modules/booms/one.js': `import { Boom as Other } from './two.js'\nexport class Boom extends Other {}\n`,
    'node_modules/booms/two.js': `export class Boom extends Error {}\n`,
  })
  const { out } = await evaluate(
    join(root, 'main.ts'),
    `(() => { try { m.f(1) } catch (e) { return e.constructor.name + ' ' + e.stack } })()`,
  )
  expect(out).toMatch(/^Boom Error: no\n\s+at .*main\.ts:5:9/)
})

test('what does not compile is refused with what the compiler said', async () => {
  const root = await write('broken', { 'main.ts': `import { gone } from './gone'\nexport const f = gone\n` })
  await expect(buildBundle(join(root, 'main.ts'))).rejects.toMatchObject({
    code: 'bundle_failed',
    message: expect.stringMatching(/Could not resolve "\.\/gone"[\s\S]*main\.ts:1:21/),
  })
})

test('a native addon is refused by the name of its package', async () => {
  const root = await write('native', {
    'main.ts': `import addon from '@deep/addon'\nexport const f = () => addon\n`,
    'node_modules/@deep/addon/package.json': '{"name":"@deep/addon","main":"index.js"}',
    'node_modules/@deep/addon/index.js': `module.exports = require('./build/fast.node')`,
    'node_modules/@deep/addon/build/fast.node': new Uint8Array([0]),
  })
  await expect(buildBundle(join(root, 'main.ts'))).rejects.toMatchObject({
    code: 'bundle_failed',
    message: expect.stringMatching(/@deep\/addon has a native addon/),
  })
})

test('a source that .culmignore leaves out cannot be imported, and who imports it is told', async () => {
  const root = await write('ignoring', {
    'package.json': '{}',
    '.culmignore': 'config/*\n!config/open.json\n',
    'src/main.ts': `import open from '../config/open.json'\nimport shut from '../config/shut.json'\nexport const f = () => [open, shut]\n`,
    'config/open.json': '{}',
    'config/shut.json': '{}',
  })
  await expect(buildBundle(join(root, 'src/main.ts'))).rejects.toMatchObject({
    code: 'bundle_failed',
    message: expect.stringMatching(/src\/main\.ts imports .*shut\.json, which is left out by \.culmignore, line 1/),
  })
  await write('ignoring', { '.culmignore': '' })
  await expect(buildBundle(join(root, 'src/main.ts'))).resolves.toMatchObject({ hash: expect.any(String) })
})

test('sources that hold credentials are refused by name; what packages have is theirs', async () => {
  const key = ['-----BEGIN ', 'PRIVATE KEY-----\n', 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n'].join('')
  const root = await write('leaking', {
    'package.json': '{}',
    'main.ts': `import key from './key.json'\nimport test from 'pad'\nexport const f = () => [key, test]\n`,
    'key.json': JSON.stringify({ key }),
    'node_modules/pad/package.json': '{"name":"pad","main":"index.js"}',
    'node_modules/pad/index.js': `module.exports = ${JSON.stringify(key)}`,
  })
  await expect(buildBundle(join(root, 'main.ts'))).rejects.toMatchObject({
    code: 'bundle_has_credentials',
    message: expect.stringMatching(/: key\.json \(a private key\)$/),
  })
  await write('leaking', { 'key.json': '{}' })
  await expect(buildBundle(join(root, 'main.ts'))).resolves.toMatchObject({ hash: expect.any(String) })
})
