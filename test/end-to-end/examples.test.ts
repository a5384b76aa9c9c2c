import { existsSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { culm, freshFolder, run } from '../support/processes.ts'

let env: NodeJS.ProcessEnv
/** With numpy, scikit-learn and the like, as scripts/test-setup.sh makes it. */
const python = path.join(files.root, '.cache/venv/bin/python')

beforeAll(async () => {
  env = { CULM_HOME: path.join(await freshFolder(), 'culm'), PYTHONPATH: files.pythonPath }
  await culm(['up', '--slots', '2'], env).says('It serves')
}, 60_000)

const example = (file: string) => path.join(files.root, 'examples', file)

test('hello in TypeScript gives the sum of the squares', async () => {
  const hello = culm(['run', example('hello/hello.ts'), '10', '--json'], env)
  expect(await hello.ended).toBe(0)
  expect(hello.printed()).toMatch('"value":385')
})

test('hello in Python gives what the README shows', async () => {
  const hello = run('python3', [example('hello/hello.py')], env)
  expect(await hello.ended).toBe(0)
  expect(hello.printed().trim()).toBe('49 [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]')
})

test('the optimisation in TypeScript finds a loss below that of guessing', async () => {
  const hpo = culm(['run', example('hpo/hpo.ts'), '{"iterations":2,"points":4}', '--json'], env)
  expect(await hpo.ended).toBe(0)
  expect(Number(/"loss":([\d.]+)/.exec(hpo.printed())?.[1])).toBeLessThan(0.3)
}, 60_000)

test.skipIf(!existsSync(python))(
  'the optimisation in Python runs with the packages of its own environment (scripts/test-setup.sh)',
  async () => {
    const hpo = run(python, [example('hpo/hpo.py'), '2', '4'], env)
    expect(await hpo.ended).toBe(0)
    expect(hpo.printed()).toMatch(/best of 8 trainings: \d/)
  },
  120_000,
)
