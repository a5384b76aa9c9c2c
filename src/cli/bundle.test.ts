import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { files } from '../main/files.ts'
import { testCli } from './testing/testCli.ts'

const scratch = mkdtempSync(join(tmpdir(), 'culm-bundle-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let folder: string
let tests = 0
/** No server: nothing is sent. */
let cli: ReturnType<typeof testCli>
beforeEach(() => {
  folder = join(scratch, String(++tests))
  cli = testCli(undefined, { cwd: folder, pythonPath: files.pythonPath, env: { CULM_SERVER: 'http://127.0.0.1:9' } })
})

const write = (sources: Record<string, string>) => {
  for (const [path, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

const pythonProgram = {
  'flow.py': 'import helper\nfrom culm import work\n\n\n@work(files=["*.csv"])\ndef f():\n    pass\n',
  'helper.py': 'from tools import x\n',
  'tools/__init__.py': 'x = 1\n',
  'tools/.cache/y': '',
  'tools/big.dat': '0'.repeat(1000),
  'points.csv': '1,2\n',
  'draft.csv': '',
  'unrelated.py': '',
  '.culmignore': '# what jobs do not need\ndraft.*\n',
}

test('of a Python script it shows what would be shipped, and what is left out and why', async () => {
  write(pythonProgram)
  const { code, out, err } = await cli.run('bundle', 'flow.py')
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^bundle [0-9a-f]{12}: 5 files, \d+ bytes\n/)
  const rows = out.split('\n').map((line) => line.trim().split(/\s{2,}/))
  expect(rows).toContainEqual(['tools/big.dat', '1000'])
  expect(rows).toContainEqual(['draft.csv', '.culmignore, line 2'])
  expect(rows).toContainEqual(['tools/.cache/', 'hidden'])
  expect(out).not.toContain('unrelated')
})

test('as one document it has each file with its size and hash, for a folder of a package too', async () => {
  write({ 'pack/__init__.py': '', 'pack/steps.py': 'x = 1\n' })
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  const shown = [
    (await cli.run('bundle', 'pack', '--json')).json(),
    (await cli.run('bundle', 'pack/steps.py', '--json')).json(),
  ]
  expect(shown[0]).toEqual({
    bundle: expect.stringMatching(/^[0-9a-f]{64}$/),
    ...{ language: 'python', bytes: 6, ignored: [], notes: [] },
    files: [
      { path: 'pack/__init__.py', bytes: 0, hash: empty },
      expect.objectContaining({ path: 'pack/steps.py', bytes: 6 }),
    ],
  })
  expect(shown[1]).toEqual(shown[0])
})

test('of TypeScript it shows the compiled files; the largest of many, and with --list all', async () => {
  const parts = Array.from({ length: 12 }, (_, n) => `part${n}.ts`)
  write({
    'main.ts': `${parts.map((part, n) => `export * as p${n} from './${part}'`).join('\n')}\n`,
    ...Object.fromEntries(parts.map((part, n) => [part, `export const n${n} = ${n}\n`])),
    'unrelated.ts': 'export {}\n',
  })
  const few = await cli.run('bundle', 'main.ts')
  expect([few.code, few.err]).toEqual([0, ''])
  expect(few.out).toMatch(/LARGEST FILES.*\d+ more: culm bundle --list/s)
  const { out } = await cli.run('bundle', 'main.ts', '--list')
  for (const name of ['main.js', 'part11.js', 'node_modules/culm/index.js', 'culm.json']) expect(out).toContain(name)
  expect(out).not.toContain('unrelated')
})

test('credentials are refused by the name of their file, before anything is sent', async () => {
  const token = ['ghp', '_', 'a1B2'.repeat(9)].join('')
  write({
    'flow.py': `TOKEN = "${token}"\n`,
    'main.ts': `import { t } from './keys'\nconsole.log(t)\n`,
    'keys.ts': `export const t = '${token}'\n`,
  })
  for (const [file, named] of [
    ['flow.py', 'flow.py'],
    ['main.ts', 'keys.ts'],
  ]) {
    const { code, out, err } = await cli.run('bundle', file!)
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(`${named} (a token of GitHub)`)
    expect(err).toMatch(/help: .*\.culmignore.*culm secret set/)
    expect(err).not.toContain(token)
  }
})

test('what cannot be read is told, with what to do', async () => {
  write({ 'notes.txt': '', 'broken.ts': 'import "./nowhere"\n' })
  expect(await cli.run('bundle', 'nothing.py')).toMatchObject({
    code: 2,
    err: expect.stringContaining('there is no file nothing.py'),
  })
  expect(await cli.run('bundle', 'notes.txt')).toMatchObject({
    code: 2,
    err: expect.stringContaining('neither TypeScript'),
  })
  expect(await cli.run('bundle', 'broken.ts')).toMatchObject({ code: 1, err: expect.stringContaining('./nowhere') })
  write({ 'flow.py': '' })
  expect(await cli.run('bundle', 'flow.py', '--python', '/no/python')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--python PATH'),
  })
})
