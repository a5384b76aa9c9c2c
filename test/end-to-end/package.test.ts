import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { describeNeeding } from '../support/needs.ts'
import { freshFolder, run } from '../support/processes.ts'

const execute = promisify(execFile)

/** `npm ci` keeps what it downloads, and not what an installation by name asks for. */
const isInCache = async (): Promise<boolean> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'culm-cached-'))
  const { dependencies } = JSON.parse(await readFile(path.join(files.root, 'package.json'), 'utf8'))
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ dependencies }))
  const args = ['install', '--offline', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund']
  const isThere = await execute('npm', args, { cwd: folder }).then(
    () => true,
    () => false,
  )
  await rm(folder, { recursive: true })
  return isThere
}
const missing = (await isInCache()) ? null : 'scripts/test-setup.sh brings what npm installs offline'

describeNeeding(missing)('the package for Node', () => {
  let app: string
  let env: NodeJS.ProcessEnv

  /** What the package is for those who install it: packed as it would be published, installed from npm's cache into an empty folder. */
  beforeAll(async () => {
    app = await freshFolder('app')
    await execute(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'], {
      cwd: files.root,
    })
    const { stdout } = await execute('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', app], {
      cwd: files.root,
    })
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
    await writeFile(path.join(app, 'package.json'), '{"type":"module"}')
    await execute(
      'npm',
      ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', path.join(app, filename)],
      { cwd: app },
    )
    env = { CULM_HOME: path.join(app, 'home') }
    await run(path.join(app, 'node_modules/.bin/culm'), ['up', '--slots', '2'], env).says('It serves')
  }, 180_000)

  test('the ten lines of the example run from TypeScript', async () => {
    await writeFile(
      path.join(app, 'hello.ts'),
      await readFile(path.join(files.root, 'examples/hello/hello.ts'), 'utf8'),
    )
    const hello = run(path.join(app, 'node_modules/.bin/culm'), ['run', 'hello.ts', '10', '--json'], env, app)
    expect(await hello.ended, hello.printed()).toBe(0)
    expect(hello.printed()).toMatch('"value":385')
  }, 60_000)

  test('and from JavaScript, called by another file', async () => {
    await writeFile(
      path.join(app, 'works.js'),
      "import { work, workflow } from 'culm'\nexport const square = work((x) => x * x)\nexport const main = workflow(async () => (await square.map([1, 2, 3])).join())\n",
    )
    await writeFile(path.join(app, 'main.js'), "import { main } from './works.js'\nconsole.log(await main())\n")
    const hello = run(process.execPath, ['main.js'], env, app)
    expect(await hello.ended, hello.printed()).toBe(0)
    expect(hello.printed().trim()).toBe('1,4,9')
  }, 60_000)

  test('its types tell what a call gives', async () => {
    await writeFile(
      path.join(app, 'typed.ts'),
      "import { work } from 'culm'\nexport const size = work((text: string) => text.length)\nexport const right: Promise<number[]> = (async () => await size.map(['a']))()\n// @ts-expect-error a string is asked for\nexport const wrong = size(1)\n",
    )
    await writeFile(
      path.join(app, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2023',
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          types: [],
        },
        files: ['typed.ts'],
      }),
    )
    const typed = run(process.execPath, [path.join(files.root, 'node_modules/typescript/bin/tsc'), '-p', '.'], env, app)
    expect(await typed.ended, typed.printed()).toBe(0)
  }, 60_000)
})
