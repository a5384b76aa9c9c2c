import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path, { delimiter } from 'node:path'
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

/** The programme of the talk, in 2 iterations of 4 points, with its module `optimize` from a folder beside it. */
const talk = async (interpreter: string, optimize: string) => {
  const path = [files.pythonPath, example(`talk-hpo/${optimize}`)].join(delimiter)
  const program = run(interpreter, [example('talk-hpo/optimize_iworkflow.py'), '2', '4'], { ...env, PYTHONPATH: path })
  expect(await program.ended, program.printed()).toBe(0)
  return program.printed()
}

test('the programme of the talk runs with its import lines changed, its workflow function as a job', async () => {
  const printed = await talk('python3', 'standard_library')
  const [, workflowId] = /^workflow (w\d+)$/m.exec(printed) ?? []
  const bests = [...printed.matchAll(/^iteration +\d+: best so far (\S+)$/gm)].map(([, best]) => Number(best))
  expect(bests).toHaveLength(2)
  expect(bests[1]).toBeGreaterThanOrEqual(bests[0]!)
  expect(bests[1]).toBeGreaterThan(-3.5)
  expect(printed).toMatch(/best of 8 points: .*\nbest of as many random ones: -\d.*\nregret: \d/)
  const tasks = culm(['ls', workflowId!, '--json'], env)
  expect(await tasks.ended).toBe(0)
  const shapes = [...tasks.printed().matchAll(/"name":"(\w+)".*?"total":(\d+)/g)].map(
    ([, name, jobs]) => `${name} ${jobs}`,
  )
  expect(shapes.sort()).toEqual(['optimize_work 4', 'optimize_work 4', 'optimize_work 8', 'optimize_workflow 1'])
}, 120_000)

const hasTalksPackages = existsSync(python) && spawnSync(python, ['-c', 'import bayes_opt, xgboost']).status === 0

test.skipIf(!hasTalksPackages)(
  'the programme of the talk tunes xgboost by bayes_opt, as it did there (scripts/test-setup.sh)',
  async () => {
    expect(await talk(python, 'boosted_trees')).toMatch(/best of 8 points: -0\.\d+ with .*eta/)
  },
  180_000,
)
