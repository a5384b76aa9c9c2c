import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { files, version } from '../../src/main/files.ts'
import { describeNeeding } from '../support/needs.ts'
import { freshFolder, run } from '../support/processes.ts'

const execute = promisify(execFile)

/** Built and installed from what scripts/test-setup.sh has brought: setuptools, and the wheel of Node. */
const python = path.join(files.root, '.cache/venv/bin/python')
const nodeWheels = path.join(files.root, '.cache/wheels')
const offline = ['--no-build-isolation', '--no-index']

/** An empty environment with what pip finds in folders. @returns its folder of programs. */
const installed = async (what: string, from: string[]): Promise<string> => {
  const venv = path.join(await freshFolder('venv'), 'venv')
  await execute('python3', ['-m', 'venv', venv])
  const links = from.flatMap((folder) => ['--find-links', folder])
  await execute(path.join(venv, 'bin/pip'), ['install', '--quiet', '--no-index', ...links, what])
  return path.join(venv, 'bin')
}

describeNeeding(existsSync(python) ? null : 'scripts/test-setup.sh installs setuptools')(
  'the package for Python',
  () => {
    let wheels: string
    let source: string
    beforeAll(async () => {
      wheels = await freshFolder('wheels')
      source = path.join(await freshFolder('source'), 'python')
      await cp(path.join(files.root, 'python'), source, { recursive: true, dereference: true })
      for (const left of ['build', 'culm.egg-info']) await rm(path.join(source, left), { recursive: true, force: true })
      await execute(python, ['-m', 'pip', 'wheel', '--quiet', '--no-deps', ...offline, '-w', wheels, source])
    }, 180_000)

    test('in an empty environment there is `culm` with its types, its command and its licence, and nothing else', async () => {
      const bin = await installed('culm', [wheels])
      const { stdout: freeze } = await execute(path.join(bin, 'pip'), [
        'freeze',
        '--exclude',
        'pip',
        '--exclude',
        'setuptools',
      ])
      expect(freeze).toMatch(/^culm[^\n]*\n$/)
      const { stdout: listed } = await execute(path.join(bin, 'pip'), ['show', '--files', 'culm'])
      for (const file of ['culm/py.typed', 'culm/cli/program.py', 'culm/cli/progress/live.py', 'licenses/LICENSE'])
        expect(listed).toContain(file)
      for (const command of [[path.join(bin, 'culm')], [path.join(bin, 'python'), '-m', 'culm']])
        expect((await execute(command[0]!, [...command.slice(1), '--version'])).stdout).toBe(`${version}\n`)
    }, 180_000)

    test('its sdist makes the same wheel', async () => {
      const folder = await freshFolder('sdist')
      const build = 'import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))'
      await execute(python, ['-c', build, folder], { cwd: source })
      const [sdist] = await readdir(folder)
      await execute(python, [
        '-m',
        'pip',
        'wheel',
        '--quiet',
        '--no-deps',
        ...offline,
        '-w',
        folder,
        path.join(folder, sdist!),
      ])
      const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'))!
      const namesIn = async (archive: string) =>
        (await execute(python, ['-m', 'zipfile', '-l', archive])).stdout.split('\n').map((line) => line.split(' ')[0])
      expect(await namesIn(path.join(folder, wheel))).toEqual(await namesIn(path.join(wheels, wheel)))
    }, 180_000)

    test('all parts are of one version', async () => {
      for (const file of ['pyproject.toml', 'server/pyproject.toml'])
        expect(await readFile(path.join(source, file), 'utf8')).toContain(`\nversion = "${version}"\n`)
      expect(await readFile(path.join(source, 'pyproject.toml'), 'utf8')).toContain(`"culm-server==${version}"`)
    })

    describeNeeding(existsSync(nodeWheels) ? null : 'scripts/test-setup.sh brings the wheel of Node')(
      'with its server',
      () => {
        let bin: string
        beforeAll(async () => {
          const script = path.join(files.root, 'scripts/pythonWheels.mjs')
          await execute(process.execPath, [script, '--no-build', '--python', python, '--out', wheels, '--', ...offline])
          bin = await installed('culm[server]', [wheels, nodeWheels])
        }, 600_000)

        test('culm up runs it all without any other Node, and a program of Python runs there', async () => {
          const folder = await freshFolder('app')
          const tools = path.join(folder, 'tools')
          await execute('mkdir', [tools])
          for (const tool of ['sh', 'env', 'cat', 'id', 'getent', 'runuser', 'setpriv', 'bwrap']) {
            const found = await execute('sh', ['-c', `command -v ${tool} || true`])
            if (found.stdout) await execute('ln', ['-s', found.stdout.trim(), path.join(tools, tool)])
          }
          const env = { CULM_HOME: path.join(folder, 'home'), PATH: `${bin}:${tools}` }
          const up = run(path.join(bin, 'culm'), ['up', '--slots', '2'], env, folder)
          await up.says('It serves')
          expect(up.printed()).toContain('  culm submit -- echo hello ')
          await writeFile(
            path.join(folder, 'hello.py'),
            await readFile(path.join(files.root, 'examples/hello/hello.py')),
          )
          const hello = run(path.join(bin, 'python'), ['hello.py'], env, folder)
          expect(await hello.ended, hello.printed()).toBe(0)
          expect(hello.printed()).toBe('49 [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n')
          const doctor = run(path.join(bin, 'culm'), ['doctor', '--no-color'], env, folder)
          await doctor.ended
          expect(doctor.printed()).toMatch(/node +Node 24\./)
        }, 120_000)
      },
    )
  },
)
