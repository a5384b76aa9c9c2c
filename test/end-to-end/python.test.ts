import { existsSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { readServer } from '../../src/main/homeServer.ts'
import { culm, freshFolder, readToken, run } from '../support/processes.ts'

let env: NodeJS.ProcessEnv
/** With NumPy, pandas, Jupyter and mypy, as scripts/test-setup.sh makes it. */
const venv = path.join(files.root, '.cache/venv/bin/python')

beforeAll(async () => {
  const home = path.join(await freshFolder(), 'culm')
  await culm(['up', '--slots', '2'], { CULM_HOME: home }).says('It serves')
  env = {
    CULM_TEST_SERVER: (await readServer(home))!.url,
    CULM_TEST_TOKEN: await readToken(home),
    PYTHONPATH: files.pythonPath,
  }
}, 60_000)

const suite = (python: string, what: string[]) =>
  run(python, ['-m', 'unittest', ...what], env, path.join(files.root, 'python'))

test('the tests of the Python client pass against a real server', async () => {
  const tests = suite('python3', ['discover', '-s', 'tests'])
  expect(await tests.ended, tests.printed()).toBe(0)
  expect(tests.printed()).toMatch(/Ran \d{3} tests/)
  // NumPy, pandas, Jupyter and mypy are not the system's; what needs them runs below.
  expect(Number(/OK \(skipped=(\d+)\)/.exec(tests.printed())?.[1] ?? 0)).toBeLessThanOrEqual(21)
}, 480_000)

test.skipIf(!existsSync(venv))(
  'values of NumPy and pandas survive (scripts/test-setup.sh installs them)',
  async () => {
    const tests = suite(venv, ['discover', '-s', 'tests', '-p', 'test_values.py'])
    expect(await tests.ended, tests.printed()).toBe(0)
    expect(tests.printed()).not.toMatch('skipped')
  },
  60_000,
)

test.skipIf(!existsSync(venv))(
  'real notebooks run, and show what they should (scripts/test-setup.sh installs Jupyter)',
  async () => {
    const tests = suite(venv, ['discover', '-s', 'tests', '-p', 'test_notebook.py'])
    expect(await tests.ended, tests.printed()).toBe(0)
    expect(tests.printed()).not.toMatch('skipped')
  },
  180_000,
)

test.skipIf(!existsSync(venv))(
  'type checkers agree with the package and with programs that use it, and it takes nothing newer than Python 3.9 (scripts/test-setup.sh installs them)',
  async () => {
    const tests = suite(venv, ['discover', '-s', 'tests', '-p', 'test_types.py'])
    expect(await tests.ended, tests.printed()).toBe(0)
    expect(tests.printed()).not.toMatch('skipped')
  },
  300_000,
)
