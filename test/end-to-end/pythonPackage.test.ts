import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { files, version } from '../../src/main/files.ts'
import { describeNeeding } from '../support/needs.ts'
import { freshFolder } from '../support/processes.ts'

const execute = promisify(execFile)

/** With setuptools. The wheel of the server is built and installed by docs.test.ts, as the tutorial says. */
const python = path.join(files.root, '.cache/venv/bin/python')
const offline = ['--no-build-isolation', '--no-index']

/** An empty environment with what pip finds in a folder. @returns its folder of programs. */
const installed = async (from: string): Promise<string> => {
  const venv = path.join(await freshFolder('venv'), 'venv')
  await execute('python3', ['-m', 'venv', venv])
  await execute(path.join(venv, 'bin/pip'), ['install', '--quiet', '--no-index', '--find-links', from, 'culm'])
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
      const bin = await installed(wheels)
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
  },
)
